// Unpacks the headless Chromium of an npm package, with its libraries and its font: node unpack.mjs
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";

const packed = fileURLToPath(new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url));
const folder = fileURLToPath(new URL("node_modules/.chromium", import.meta.url));
const making = `${folder}-${process.pid}`;

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log("there is no packed browser for this machine: tests take the Chromium on the PATH");
} else if (!existsSync(folder)) {
  mkdirSync(making);
  process.env.TMPDIR = making; // where it unpacks
  for (const name of ["chromium.br", "al2023.tar.br", "fonts.tar.br"]) await inflate(packed + name);
  const places = `<dir>${folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>${folder}/font-cache</cachedir>`;
  writeFileSync(`${making}/fonts.conf`, `<?xml version="1.0"?><fontconfig>${places}</fontconfig>\n`);
  renameSync(making, folder);
}
