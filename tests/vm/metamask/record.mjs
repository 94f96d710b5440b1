// Records what MetaMask's own controllers ask of a node, from the network that is added to the transaction that is mined.
//
// They are no dependencies of this project. In an empty folder, beside a copy of this file, and against a new chain for
// development whose base fee nobody has moved:
//
//   npm install --ignore-scripts --legacy-peer-deps ethers@6 @metamask/messenger@0.3.0 @metamask/eth-query@4.0.0 \
//     @metamask/network-controller@25.0.0 @metamask/polling-controller@15.0.0 @metamask/eth-block-tracker@14.0.0 \
//     @metamask/gas-fee-controller@25.0.0 @metamask/transaction-controller@61.2.0 @metamask/assets-controllers@89.0.1 \
//     @metamask/error-reporting-service@3 @metamask/remote-feature-flag-controller@2.0.0 \
//     @babel/runtime@7 deepmerge@4
//   node record.mjs http://127.0.0.1:8545 > recorded.json
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Transaction, Wallet } from "ethers";

const require = createRequire(import.meta.url);
const assets = dirname(require.resolve("@metamask/assets-controllers")); // its index wants more than these two need
const { AccountTrackerController } = require(join(assets, "AccountTrackerController.cjs"));
const { AssetsContractController } = require(join(assets, "AssetsContractController.cjs"));
const { GasFeeController } = require("@metamask/gas-fee-controller");
const { Messenger } = require("@metamask/messenger");
const { NetworkController } = require("@metamask/network-controller");
const { TransactionController } = require("@metamask/transaction-controller");

const [url] = process.argv.slice(2);
const CHAIN_ID = "0x7a69";
const wallet = new Wallet("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const account = wallet.address.toLowerCase();
const friend = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
const TOKEN = "0x600a600c600039600a6000f360075f5260205ff3"; // whoever asks for a balance has 7

const online = globalThis.fetch;
const steps = [];
globalThis.fetch = async () => {
  throw new Error("only the node is there");
};

async function exchange(body) {
  const headers = { "Content-Type": "application/json" };
  return online(url, { method: "POST", headers, body });
}

async function prepare(method, ...params) {
  const answer = await (await exchange(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }))).json();
  if (answer.error) throw new Error(answer.error.message);
  return answer.result;
}

async function record(_, { body }) {
  const response = await exchange(body);
  const { method, params = [] } = JSON.parse(body);
  const { result, error } = await response.clone().json();
  if (error) throw new Error(`${method}: ${error.message}`);
  steps.at(-1).requests.push({ method, params, result });
  return response;
}

async function step(title, action, mined = false) {
  steps.push({ title, mined, requests: [] });
  if (mined) await prepare("evm_mine");
  const value = await action();
  await settle();
  return value;
}

/** Until the controllers have asked nothing for a while. */
async function settle() {
  let before = -1;
  while (before !== steps.at(-1).requests.length) {
    before = steps.at(-1).requests.length;
    await new Promise((done) => setTimeout(done, 700));
  }
}

function until(condition) {
  return new Promise((done, fail) => {
    const late = setTimeout(() => fail(new Error("it did not come")), 20_000);
    const watch = setInterval(() => {
      if (!condition()) return;
      clearTimeout(late);
      clearInterval(watch);
      done();
    }, 100);
  });
}

// The wallet, as its background process puts it together.
const root = new Messenger({ namespace: "Root" });
const messengers = {};

function open(namespace, actions = [], events = []) {
  messengers[namespace] = new Messenger({ namespace, parent: root });
  root.delegate({ messenger: messengers[namespace], actions, events });
  return messengers[namespace];
}

function answer(action, handler) {
  const namespace = action.split(":")[0];
  (messengers[namespace] ??= new Messenger({ namespace, parent: root })).registerActionHandler(action, handler);
}

const selected = {
  id: "1", address: account, type: "eip155:eoa", options: {}, methods: [], scopes: ["eip155:0"],
  metadata: { name: "Account 1", importTime: 0, keyring: { type: "HD Key Tree" } },
};
answer("AccountsController:getSelectedAccount", () => selected);
answer("AccountsController:listAccounts", () => [selected]);
answer("AccountsController:getState", () => ({ internalAccounts: { accounts: { 1: selected }, selectedAccount: "1" } }));
answer("ApprovalController:addRequest", async () => ({ resultCallbacks: undefined }));
answer("ErrorReportingService:captureException", console.error);
answer("KeyringController:getState", () => ({ isUnlocked: true }));
answer("KeyringController:signEip7702Authorization", () => { throw new Error("not asked for"); });
answer("PreferencesController:getState", () => ({ isMultiAccountBalancesEnabled: false, selectedAddress: account }));
answer("RemoteFeatureFlagController:getState", () => ({ remoteFeatureFlags: {}, cacheTimestamp: 0 }));

const network = new NetworkController({
  messenger: open("NetworkController", ["ErrorReportingService:captureException"]),
  infuraProjectId: "none",
  getRpcServiceOptions: () => ({ fetch: record, btoa }),
  getBlockTrackerOptions: () => ({ pollingInterval: 500 }),
});

const networkActions = [
  "findNetworkClientIdByChainId", "getEIP1559Compatibility", "getNetworkClientById", "getNetworkConfigurationByNetworkClientId",
  "getSelectedNetworkClient", "getState",
].map((name) => `NetworkController:${name}`);
const networkEvents = ["networkAdded", "networkDidChange", "stateChange"].map((name) => `NetworkController:${name}`);

await prepare("evm_setAutomine", false);
const tokenHash = await prepare("eth_sendRawTransaction", await wallet.signTransaction({
  type: 2, chainId: 31337, nonce: 0, gasLimit: 100_000, maxFeePerGas: 3_000_000_000, maxPriorityFeePerGas: 1, data: TOKEN,
}));
await prepare("evm_mine");
const { contractAddress: token } = await prepare("eth_getTransactionReceipt", tokenHash);
const setup = await prepare("eth_getRawTransactionByHash", tokenHash);

let client;
const networkClientId = await step("a network is added, and chosen", async () => {
  // What the form asks of the URL; it is in no package.
  await record(url, { body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }) });
  const { rpcEndpoints } = network.addNetwork({
    chainId: CHAIN_ID, name: "Infernet", nativeCurrency: "ETH", blockExplorerUrls: [], defaultRpcEndpointIndex: 0,
    rpcEndpoints: [{ type: "custom", url, failoverUrls: [] }],
  });
  client = network.getNetworkClientById(rpcEndpoints[0].networkClientId);
  await network.setActiveNetwork(rpcEndpoints[0].networkClientId);
  return rpcEndpoints[0].networkClientId;
});

const tracker = new AccountTrackerController({
  messenger: open(
    "AccountTrackerController",
    [...networkActions, "AccountsController:getSelectedAccount", "AccountsController:listAccounts", "PreferencesController:getState"],
    [...networkEvents, "AccountsController:selectedEvmAccountChange", "KeyringController:unlock",
      "TransactionController:unapprovedTransactionAdded", "TransactionController:transactionConfirmed"],
  ),
});
await step("an account is shown", () => tracker.refresh([networkClientId]));
const { balance } = tracker.state.accountsByChainId[CHAIN_ID][wallet.address];

const contracts = new AssetsContractController({
  messenger: open("AssetsContractController", networkActions, [...networkEvents, "PreferencesController:stateChange"]),
  chainId: CHAIN_ID,
});
const held = await step("a token is shown", async () => {
  await contracts.getTokenStandardAndDetails(token, account, undefined, networkClientId).catch(() => undefined);
  return contracts.getERC20BalanceOf(token, account, networkClientId);
});

const fees = new GasFeeController({
  messenger: open("GasFeeController", networkActions, networkEvents),
  getProvider: () => client.provider,
  getCurrentAccountEIP1559Compatibility: () => true,
  getCurrentNetworkEIP1559Compatibility: async () => true,
  getCurrentNetworkLegacyGasAPICompatibility: () => false,
  EIP1559APIEndpoint: "http://nowhere.invalid/<chain_id>",
  clientId: "extension",
});
await step("fees are estimated", () => fees.fetchGasFeeEstimates({ networkClientId }));

const transactions = new TransactionController({
  messenger: open(
    "TransactionController",
    [...networkActions, "AccountsController:getSelectedAccount", "AccountsController:getState", "ApprovalController:addRequest",
      "KeyringController:signEip7702Authorization", "RemoteFeatureFlagController:getState"],
    networkEvents,
  ),
  disableHistory: true,
  getCurrentNetworkEIP1559Compatibility: async () => true,
  getGasFeeEstimates: (options) => fees.fetchGasFeeEstimates(options),
  getNetworkClientRegistry: () => network.getNetworkClientRegistry(),
  getNetworkState: () => network.state,
  isSimulationEnabled: () => false,
  hooks: {},
  sign: async (unsigned) => unsigned.sign(Buffer.from(wallet.privateKey.slice(2), "hex")),
});

async function begin(title, params) {
  return step(title, async () => {
    const { transactionMeta, result } = await transactions.addTransaction({ from: account, ...params }, { networkClientId, origin: "metamask" });
    await result;
    return transactionMeta.id;
  });
}

const find = (id) => transactions.state.transactions.find((entry) => entry.id === id);
const ended = (id) => () => ["confirmed", "failed", "dropped"].includes(find(id).status);

const ether = { to: friend, value: "0xde0b6b3a7640000" };

const first = await begin("ether is sent", ether);
await step("its receipt comes", () => until(ended(first)), true);

const second = await begin("a token is sent", { to: token, data: "0xa9059cbb" + friend.slice(2).padStart(64, "0") + "1".padStart(64, "0") });
await step("its receipt comes", () => until(ended(second)), true);

const third = await begin("ether is sent again", ether);
await step("it is sped up", () => transactions.speedUpTransaction(third));
const [faster] = transactions.state.transactions.filter(({ type }) => type === "retry");
await step("the receipt of the faster one comes", () => until(ended(faster.id)), true);

const fourth = await begin("ether is sent once more", ether);
await step("it is cancelled", () => transactions.stopTransaction(fourth));
const [cancel] = transactions.state.transactions.filter(({ type }) => type === "cancel");
await step("the receipt of the cancellation comes", () => until(ended(cancel.id)), true);
await step("the account is shown again", () => tracker.refresh([networkClientId]));

const statuses = transactions.state.transactions.map(({ type, status }) => `${type} ${status}`);
const hashes = new Map();
for (const { result } of steps.flatMap(({ requests }) => requests)) {
  if (result?.parentHash) hashes.set(result.hash, `$BLOCK${Number(result.number)}`);
}
const named = (text) => hashes.get(text) ?? text;

/** What an answer was: a word, or the names of an object's fields. */
function summarize({ method, params, result }) {
  const asked = { method, params: params.map(named) };
  return typeof result === "object" && result !== null ? { ...asked, fields: Object.keys(result) } : { ...asked, result };
}

const lines = ({ title, mined, requests }) =>
  `{"title": ${JSON.stringify(title)}, "mined": ${mined}, "requests": [\n  ` +
  requests.map((request) => JSON.stringify(summarize(request))).join(",\n  ") + "\n]}";
console.log(`{
"what": "What MetaMask's controllers asked of a node, and what it answered. record.mjs made it; $BLOCKn is a block's hash.",
"shown": ${JSON.stringify({ balance, token: held.toString(), transactions: statuses })},
"setup": ${JSON.stringify(setup)},
"steps": [
${steps.map(lines).join(",\n")}
]}`);
process.exit(0);
