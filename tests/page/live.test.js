// The live page in Chromium, during a run against the embedded server and through a restart of it.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, directory, open } from "./browser.js";

const soakrig = process.env.SOAKRIG_BINARY;
const LONG = 120_000;
const started = [];
let chromium;
before(async () => {
  chromium = await browser();
});
after(async () => {
  for (const child of started) child.kill("SIGKILL");
  await chromium.close();
});

/** Starts soakrig and waits until what it says matches. */
function start(args, pattern) {
  const child = spawn(soakrig, args, { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, HOME: "/nonexistent" } });
  started.push(child);
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (chunk) => {
      said += chunk;
      const found = said.match(pattern);
      if (found) resolve({ child, ended, found });
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    ended.then((code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

const target = (listen) => start(["target", "--listen", listen], /(http:\/\/127\.0\.0\.1:\d+)/);

/** A run of 20 users on a server, and its live page's address. */
async function run(url, more = []) {
  const args = ["run", url, "test", "--user-range-max", "20", "--ramp", "20/s", "--connect-rate", "40/s", "--chat-rate", "10/s", "--disable-event-leaving", "--disable-breakout-joining",
    "--password", "soak-soak-soak", "--metrics-listen", "127.0.0.1:0", "--read-only-cache", ...more];
  const { child, ended, found } = await start(args, /metrics on (http:\/\/127\.0\.0\.1:\d+)\/metrics/);
  return { child, ended, live: `${found[1]}/` };
}

/** What the server answers to a request with this `Host`. */
function status(url, host, method = "GET") {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path: pathname, method, headers: { Host: host } }, (answer) => {
      answer.resume();
      resolve({ code: answer.statusCode, headers: answer.headers });
    }).on("error", reject).end();
  });
}

test("a run is followed through a restart of the server to its end", { timeout: 4 * LONG }, async () => {
  const first = await target("127.0.0.1:0");
  const url = first.found[1];
  const { child, ended, live } = await run(url);
  const { page, account } = await open(chromium.context, live);
  const says = (text) => page.waitForFunction((wanted) => new RegExp(wanted).test(document.querySelector("h1")?.textContent ?? ""), text, { timeout: LONG });
  await says("Healthy since");
  await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length >= 8, null, { timeout: LONG });
  assert.match(await page.textContent("dl.facts"), /20 of 20 connected/);

  first.child.kill("SIGKILL");
  await first.ended;
  await says("Not healthy since");
  assert.match(await page.textContent("header"), /the server or the network ended|of the users are connected|fail, mostly/);
  await target(new URL(url).host);
  await page.waitForFunction(() => /20 of 20 connected/.test(document.querySelector("dl.facts").textContent), null, { timeout: LONG });
  await says("Healthy since");
  // The errors have lines of their own now, and no chart was lost when they appeared.
  assert.equal((await page.$$(".plot canvas")).length, (await page.$$(".chart")).length);
  assert.doesNotMatch(await page.textContent("#chart-errors .note"), /None/);

  child.kill("SIGTERM");
  await says("Ended: ");
  assert.match(await page.textContent(".news"), /The run has ended/);
  const code = await ended;
  assert.match(await page.textContent("h1"), code === 0 ? /passed/ : /failed|invalid/);
  // The process is gone, and the page still shows what came of it.
  await page.waitForTimeout(0);
  assert.match(await page.textContent("h1"), /Ended/);
  assert.ok(await page.$(".plot canvas"));
  const refused = account.errors.filter((text) => !text.includes("ERR_CONNECTION_REFUSED"));
  assert.deepEqual(refused, []);
  assert.ok(account.requests.every((asked) => asked.startsWith(live) || asked.startsWith("data:")), String(account.requests));
  await page.close();
});

test("a generator that is gone is said, and its last state stays", { timeout: 2 * LONG }, async () => {
  const server = await target("127.0.0.1:0");
  const { child, live } = await run(server.found[1]);
  const { page } = await open(chromium.context, live);
  await page.waitForSelector(".plot canvas", { timeout: LONG });
  child.kill("SIGKILL");
  await page.waitForSelector(".news.stale", { timeout: LONG });
  assert.match(await page.textContent(".news"), /does not answer.*last state/s);
  assert.ok(await page.$(".plot canvas"));
  await page.close();
});

test("a reconnect storm and a planned disruption are shown while they go on", { timeout: 4 * LONG }, async () => {
  const home = directory();
  const socket = join(home.path, "soak.sock");
  const server = await target("127.0.0.1:0");
  const { child, live } = await run(server.found[1], ["--control-socket", socket, "--tolerate-marked", "--reconnect", "immediate"]);
  const ctl = (...words) => execFileSync(soakrig, ["ctl", "--socket", socket, ...words], { encoding: "utf8" });
  const { page, account } = await open(chromium.context, live);
  const title = (text) => page.waitForFunction((wanted) => new RegExp(wanted).test(document.querySelector("h1")?.textContent ?? ""), text, { timeout: LONG });
  await title("Healthy since");
  assert.equal(await page.$("#recovered, #planned"), null);
  ctl("disconnect", "100%");
  await page.waitForFunction(() => /disconnect 100%.*UTCin \d/.test(document.querySelector("#recovered tbody tr")?.textContent ?? ""), null, { timeout: LONG });
  await page.waitForSelector("#chart-recovered canvas");
  await page.click("#chart-recovered summary");

  ctl("mark", "begin", "deploy <img src=x onerror=alert(1)>");
  await page.waitForFunction(() => /deploy <img/.test(document.querySelector("#planned tbody tr")?.textContent ?? ""), null, { timeout: LONG });
  await page.waitForFunction(() => /Planned disruption: deploy <img/.test(document.querySelector("header").textContent), null, { timeout: LONG });
  const address = new URL(server.found[1]).host;
  server.child.kill("SIGKILL");
  await server.ended;
  await title("Planned disruption: deploy <img src=x .* since \\d\\d:\\d\\d$");
  assert.match(await page.textContent("header .reason"), /No threshold counts it/);
  await target(address);
  await page.waitForFunction(() => /20 of 20 connected/.test(document.querySelector("dl.facts").textContent), null, { timeout: LONG });
  ctl("mark", "end");
  await title("Healthy since");
  assert.doesNotMatch(await page.textContent("header"), /Planned disruption/);
  assert.match(await page.textContent("#planned tbody tr td:nth-child(4)"), /^in \d.*s$/);
  const { planned, charts } = await page.evaluate(async () => (await (await fetch("live.json")).json()).timeline);
  assert.ok(planned.length === 1 && planned[0][1] > planned[0][0], JSON.stringify(planned));
  assert.match(charts[0].note, /^Mean of each 5 seconds in the last 5 minutes/);
  assert.match(await page.textContent("#chart-users .note"), /5 seconds/);
  assert.deepEqual([account.dialogs, await page.$$eval("img", (all) => all.length)], [[], 0]);
  assert.deepEqual(account.errors, []);
  child.kill("SIGKILL");
  await page.close();
  home.remove();
});

test("no names, addresses or server texts, and no one else's page", { timeout: 2 * LONG }, async () => {
  const server = await target("127.0.0.1:0");
  const url = server.found[1];
  const { child, live } = await run(url, ["--username-template", "secret-name-%s"]);
  const { page } = await open(chromium.context, live);
  await page.waitForSelector(".plot canvas", { timeout: LONG });
  const answer = await page.evaluate(async () => (await fetch("live.json")).text());
  for (const secret of ["secret-name", "soak-soak-soak", new URL(url).host]) {
    assert.ok(!answer.includes(secret), secret);
  }
  const own = await status(live, new URL(live).host);
  assert.equal(own.code, 200);
  assert.match(own.headers["content-security-policy"], /default-src 'none'.*connect-src 'self'.*frame-ancestors 'none'/);
  for (const path of ["", "live.json"]) assert.equal((await status(live + path, "evil.example")).code, 421);
  assert.equal((await status(`${live}metrics`, "generator.example")).code, 200);
  assert.equal((await status(live, new URL(live).host, "POST")).code, 405);
  // Another origin can neither read it nor show it in a frame.
  const other = await open(chromium.context, "about:blank");
  const read = await other.page.evaluate(async (address) => {
    try {
      return await (await fetch(`${address}live.json`)).text();
    } catch {
      return "refused";
    }
  }, live);
  assert.equal(read, "refused");
  child.kill("SIGKILL");
  await page.close();
});
