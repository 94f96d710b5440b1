// Opens a page of this machine in a browser of its own: `const [page, close] = await open(url, executable)`.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { chromium } from "playwright-core";

export async function open(url, executable) {
  const folder = dirname(executable);
  const isPacked = existsSync(`${folder}/fonts.conf`);
  const env = isPacked
    ? { ...process.env, LD_LIBRARY_PATH: `${folder}/al2023/lib`, FONTCONFIG_FILE: `${folder}/fonts.conf` }
    : process.env;
  const browser = await chromium.launch({ executablePath: executable, env, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage({ locale: "en-US", viewport: { width: 1600, height: 1000 } });
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  return [page, () => browser.close()];
}
