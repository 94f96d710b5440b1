// What MLflow's own page shows of a model, as JSON: node mlflow.mjs URL BROWSER MODEL [FOLDER_FOR_SCREENSHOTS]
import { open } from "./open.mjs";

const [url, executable, model, screenshots] = process.argv.slice(2);
const [page, close] = await open(url, executable);
const seen = { asked: [] };
page.on("request", (request) => seen.asked.push(new URL(request.url()).origin));

await page.addLocatorHandler(page.getByRole("dialog"), () => page.keyboard.press("Escape")); // what greets newcomers

const clickRow = () => page.getByRole("row").getByRole("link", { name: model, exact: true }).click();

async function look(name, ...awaited) {
  for (const text of awaited) await page.getByText(text).first().waitFor();
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png` });
  seen[name] = (await page.locator("body").innerText()).split("\n").filter((line) => line.trim());
}

await page.getByText("Model training", { exact: true }).first().click();
await clickRow();
await look("runs", "matching runs", `${model}-`);
await page.locator("label:has(input[value=CHART])").click();
await page.locator(".bartext").first().waitFor();
await look("charts", "held_out_accuracy");

await page.getByRole("link", { name: new RegExp(`^${model}-`) }).first().click();
await look("run", "held_out_accuracy", "Registered models");

await page.getByRole("tab", { name: "Artifacts" }).click();
await page.getByText("plots", { exact: true }).click();
await page.getByText("confusion_matrix.png", { exact: true }).click();
const plot = page.locator("img[src^=blob], img[src*=confusion_matrix]").first();
await plot.waitFor();
await look("plot");
seen.plotSize = await plot.evaluate((image) => [image.naturalWidth, image.naturalHeight]);

await page.getByRole("link", { name: "Model registry", exact: true }).click();
await look("registry", "Latest version", "champion");
await clickRow();
await look("versions", "Aliases", "champion");
seen.versionRows = await page.getByRole("row").allInnerTexts();

console.log(JSON.stringify(seen));
await close();
