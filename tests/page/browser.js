// Chromium as the tests start it: a new profile, nothing in the background, and an account of every request,
// dialog and complaint of a page.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(process.env.PAGE_MODULES)("playwright-core");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** A directory that is gone afterwards. */
export function directory() {
  const path = mkdtempSync(join(tmpdir(), "soakrig-page-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A browser with a profile of its own. */
export async function browser(options = {}) {
  const profile = directory();
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: "/usr/bin/chromium", headless: true, args: FLAGS, viewport: { width: 1280, height: 900 }, ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      profile.remove();
    },
  };
}

/** Opens an address; what the page asked for, said and complained about is in the account. */
export async function open(context, url) {
  const page = await context.newPage();
  const account = { requests: [], errors: [], dialogs: [] };
  page.on("request", (request) => account.requests.push(request.url()));
  page.on("console", (message) => message.type() === "error" && account.errors.push(message.text()));
  page.on("pageerror", (error) => account.errors.push(String(error)));
  page.on("dialog", (dialog) => {
    account.dialogs.push(dialog.message());
    dialog.dismiss();
  });
  await page.goto(url);
  return { page, account };
}

const made = new Map();

/** The summary of the made night; it is made once. */
function night(kind) {
  if (!made.has(kind)) made.set(kind, execFileSync(process.env.SOAKRIG_MADE_NIGHT, [kind], { maxBuffer: 64 << 20 }));
  return JSON.parse(made.get(kind));
}

/** The made night's summary, and the report of it as a file. `change` may alter the summary first. */
export function report(home, { hostile = false, change = (summary) => summary } = {}) {
  const summary = change(night(hostile ? "hostile" : "plain"));
  const [json, html] = [join(home, "night.json"), join(home, "night.html")];
  writeFileSync(json, JSON.stringify(summary));
  execFileSync(process.env.SOAKRIG_BINARY, ["report", json], { stdio: ["ignore", "ignore", "pipe"] });
  return { summary, html, bytes: readFileSync(html).length, url: pathToFileURL(html).href };
}
