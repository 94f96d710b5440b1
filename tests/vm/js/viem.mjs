// A viem application: node viem.mjs HTTP_URL WS_URL ARTIFACT PRIVATE_KEY. Prints what it saw as JSON.
import { readFileSync } from "node:fs";
import { BaseError, ContractFunctionRevertedError, createPublicClient, createWalletClient, defineChain, http, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [httpUrl, wsUrl, artifactPath, key] = process.argv.slice(2);
const { abi, bytecode } = JSON.parse(readFileSync(artifactPath, "utf8"));
const account = privateKeyToAccount(key);

const id = await createPublicClient({ transport: http(httpUrl) }).getChainId();
const chain = defineChain({
  id,
  name: "Infernet",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [httpUrl], webSocket: [wsUrl] } },
});
const reader = createPublicClient({ chain, transport: http(httpUrl, { batch: true }), pollingInterval: 50 });
const socket = createPublicClient({ chain, transport: webSocket(wsUrl) });
const wallet = createWalletClient({ account, chain, transport: http(httpUrl) });

const deployment = await wallet.deployContract({ abi, bytecode: bytecode.object, args: ["hello from viem"] });
const { contractAddress: address } = await reader.waitForTransactionReceipt({ hash: deployment });

const seen = [];
const unwatch = socket.watchContractEvent({ address, abi, eventName: "Signed", onLogs: (logs) => seen.push(...logs) });
const heads = [];
const unwatchHeads = socket.watchBlocks({ onBlock: (block) => heads.push(block.number) });
await new Promise((resolve) => setTimeout(resolve, 300)); // until both subscriptions stand

const { request } = await reader.simulateContract({ account, address, abi, functionName: "sign", args: ["again"] });
const hash = await wallet.writeContract(request);
const receipt = await reader.waitForTransactionReceipt({ hash });
const legacy = await wallet.sendTransaction({ type: "legacy", to: account.address, value: 1n });
await reader.waitForTransactionReceipt({ hash: legacy });
for (let tries = 0; tries < 100 && (seen.length < 1 || heads.length < 2); tries++)
  await new Promise((resolve) => setTimeout(resolve, 50));
unwatch();
unwatchHeads();

const errors = {};
for (const [name, call] of Object.entries({
  custom: { functionName: "sign", args: [""] },
  text: { functionName: "refuse" },
})) {
  try {
    await reader.simulateContract({ account, address, abi, ...call });
  } catch (error) {
    const revert = error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    errors[name] = revert ? (revert.data?.errorName === "Error" ? revert.reason : revert.data?.errorName) : String(error);
  }
}
const [entries, message] = await Promise.all([
  reader.readContract({ address, abi, functionName: "entries" }),
  reader.readContract({ address, abi, functionName: "messages", args: [2n] }),
]);
const simulated = await reader.simulateCalls({
  account: account.address,
  traceAssetChanges: true,
  calls: [
    { to: address, abi, functionName: "sign", args: ["imagined"], value: 5n },
    { to: address, abi, functionName: "messages", args: [3n] },
    { to: address, abi, functionName: "refuse" },
  ],
});
const logs = await reader.getContractEvents({ address, abi, fromBlock: "earliest" });
const proof = await reader.getProof({ address, storageKeys: [`0x${"00".repeat(32)}`] });
console.log(
  JSON.stringify({
    address,
    entries: Number(entries),
    message,
    status: receipt.status,
    pushed: seen.map((log) => log.args.message),
    heads: heads.length,
    logs: logs.map((log) => log.args.message),
    errors,
    simulated: simulated.results.map(({ status, result }) => [status, result == null ? null : String(result)]),
    spent: simulated.assetChanges.map(({ token, value }) => [token.symbol, Number(value.diff)]),
    provenEntries: Number(proof.storageProof[0].value),
    legacyType: (await reader.getTransaction({ hash: legacy })).type,
    fees: (await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [50] })).baseFeePerGas.length,
  }),
);
process.exit(0); // the socket stays open
