// An ethers application: node ethers.mjs HTTP_URL WS_URL ARTIFACT PRIVATE_KEY. Prints what it saw as JSON.
import { readFileSync } from "node:fs";
import { ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider, isCallException } from "ethers";

const [httpUrl, wsUrl, artifactPath, key] = process.argv.slice(2);
const { abi, bytecode } = JSON.parse(readFileSync(artifactPath, "utf8"));
const provider = new JsonRpcProvider(httpUrl, undefined, { pollingInterval: 50 });
const socket = new WebSocketProvider(wsUrl);
const wallet = new NonceManager(new Wallet(key, provider));

const book = await (await new ContractFactory(abi, bytecode.object, wallet).deploy("hello from ethers")).waitForDeployment();
const address = await book.getAddress();

const pushed = [];
await book.connect(socket).on("Signed", (guest, entry, message) => pushed.push(message));
const polled = [];
await book.on("Signed", (guest, entry, message) => polled.push(message));

const receipt = await (await book.sign("again", { value: 5n })).wait();
for (let tries = 0; tries < 100 && (pushed.length < 1 || polled.length < 1); tries++)
  await new Promise((resolve) => setTimeout(resolve, 50));

const errors = {};
for (const [name, call] of Object.entries({ custom: () => book.sign.staticCall(""), text: () => book.refuse() })) {
  try {
    await call();
  } catch (error) {
    errors[name] = isCallException(error) ? (error.revert?.name === "Error" ? error.reason : error.revert?.name) : String(error);
  }
}
const raised = await provider.getFeeData();
console.log(
  JSON.stringify({
    address,
    entries: Number(await book.entries()),
    message: await book.messages(2),
    status: receipt.status,
    pushed,
    polled,
    logs: (await book.queryFilter("Signed", 0)).map((log) => log.args.message),
    errors,
    balance: (await provider.getBalance(address)).toString(),
    hasFees: raised.maxFeePerGas > 0n && raised.gasPrice > 0n,
    storage: Number(await provider.getStorage(address, 0)),
  }),
);
process.exit(0); // the socket stays open
