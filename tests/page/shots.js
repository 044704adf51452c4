// Pictures of the report for people to look at: light, dark, narrow, and on paper.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { browser, directory, open, report } from "./browser.js";

const place = process.argv[2];
mkdirSync(place, { recursive: true });
const home = directory();
const { context, close } = await browser();
const { url, bytes } = report(home.path);
console.log(`${bytes} bytes`);
const shots = [["light", 1280], ["dark", 1280], ["light", 400]];
for (const [colorScheme, width] of shots) {
  const { page, account } = await open(context, url);
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  await page.screenshot({ path: join(place, `${colorScheme}-${width}-first.png`) });
  await page.screenshot({ path: join(place, `${colorScheme}-${width}.png`), fullPage: true });
  if (colorScheme === "light" && width > 400) await page.pdf({ path: join(place, "paper.pdf"), format: "A4", printBackground: true });
  if (account.errors.length) console.log(account.errors);
  await page.close();
}
await close();
home.remove();
