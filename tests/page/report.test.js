// The report in Chromium: what it says is what the summary says, whatever texts the summary holds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, directory, open, report } from "./browser.js";

let home;
let chromium;
before(async () => {
  home = directory();
  chromium = await browser();
});
after(async () => {
  await chromium.close();
  home.remove();
});

/** The rows of a table as texts, its head first. */
function rows(page, selector) {
  return page.$$eval(`${selector} tr`, (found) => found.map((row) => [...row.children].map((cell) => cell.textContent)));
}

/** The figures of one chart, as its table has them. */
async function figures(page, id) {
  await page.click(`#chart-${id} summary`);
  await page.waitForSelector(`#chart-${id} details table`);
  return rows(page, `#chart-${id} details`);
}

const number = (text) => Number(text.replaceAll(",", ""));

function sum(texts) {
  return texts.filter((text) => text !== "–").reduce((all, text) => all + number(text), 0);
}

test("the first screen says whether it passed, why and when", async () => {
  const { url, summary } = report(home.path);
  const { page, account } = await open(chromium.context, url);
  assert.equal(summary.verdict.code, 99);
  assert.match(await page.textContent("h1"), /Failed/);
  const reason = (await page.$$eval("header .reason p", (all) => all.map(({ textContent }) => textContent))).join(" ");
  assert.equal(`Failed: ${reason}`.toLowerCase(), summary.verdict.reason.toLowerCase());
  const table = await rows(page, "#thresholds");
  assert.equal(table.length, summary.verdict.thresholds.length + 1);
  const failed = summary.verdict.thresholds.filter(({ result }) => result === "failed").map(({ name }) => name);
  assert.deepEqual(table.slice(1, 1 + failed.length).map(([name]) => name), failed);
  const lost = table.find(([name]) => name === "lost");
  assert.equal(number(lost[3]), summary.deliveries.lost);
  assert.match(lost[5], /Fri 04:00–04:01: 772/);
  const { y, height } = await (await page.$("#thresholds tr.failed")).boundingBox();
  assert.ok(y + height < 900, "the failed thresholds are on the first screen");
  assert.match(await page.textContent("#story"), /ended 1,988 connections; about 1,988 users had been connected; 95 % of the users were connected again by Fri 01:34/);
  assert.deepEqual(account.errors, []);
  await page.close();
});

test("the tables of the charts sum to the summary", async () => {
  const { url, summary } = report(home.path);
  const { page } = await open(chromium.context, url);
  const missed = await figures(page, "missed");
  assert.ok(missed.length <= 97);
  const column = (table, name) => sum(table.slice(1).map((row) => row[table[0].indexOf(name)]));
  assert.equal(column(missed, "lost"), summary.deliveries.lost);
  assert.equal(column(missed, "late"), summary.deliveries.late);
  assert.equal(column(missed, "excused"), summary.deliveries.excused.total);
  const all = await figures(page, "deliveries");
  assert.equal(column(all, "expected"), summary.deliveries.expected);
  assert.equal(column(all, "on time"), summary.deliveries.on_time);
  const ends = await figures(page, "connections");
  assert.equal(column(ends, "ended by the server"), summary.connections.plenary.disconnects.server.closed_1012);
  await page.close();
});

test("what is drawn are the slices of the summary, and what its tables say", async () => {
  const { url, summary } = report(home.path);
  const { page } = await open(chromium.context, url);
  const data = JSON.parse(await page.textContent("#data")).timeline;
  const { slices } = summary.timeline;
  assert.deepEqual(data.times, slices.map(({ start }) => start));
  const series = (chart, name) => data.charts.find(({ id }) => id === chart).series.find((one) => one.name === name);
  assert.deepEqual(series("missed", "lost").values, slices.map(({ deliveries }) => deliveries.lost));
  const connected = series("users", "connected");
  slices.forEach(({ users }, at) => assert.ok(Math.abs(connected.values[at] - users.connected / 60) <= 0.5));
  const table = await figures(page, "users");
  const shown = table.slice(1).map((row) => row[table[0].indexOf("connected")]);
  assert.equal(shown.length, connected.table.length);
  // The heat map has every bucket in which there is anything, and no other.
  const { heat } = data.charts.find(({ id }) => id === "times");
  slices.forEach(({ times: { from, counts } }, at) => {
    const wanted = new Set();
    const row = (bucket) => Math.ceil(Math.log((51 / 49) ** bucket / heat.from) / Math.log(heat.step) - 1e-6) - 1;
    counts.forEach((n, i) => n && wanted.add(row(from + i)));
    const found = [...heat.slices[at]].flatMap((digit, row) => (digit === "0" ? [] : [row]));
    assert.deepEqual(found, [...wanted], `slice ${at}`);
  });
  await page.close();
});

test("every chart is drawn, in light and in dark", async () => {
  const { url } = report(home.path);
  const { page, account } = await open(chromium.context, url);
  const pictures = () => page.$$eval(".plot canvas", (all) => all.map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0;
    return drawn;
  }));
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const strokes = () => page.$$eval(".u-legend .u-marker", (all) => all.map((marker) => marker.style.borderColor || marker.style.border));
  await page.emulateMedia({ colorScheme: "light" });
  const light = [await background(), await strokes()];
  assert.ok((await pictures()).every((drawn) => drawn > 500));
  await page.emulateMedia({ colorScheme: "dark" });
  // It draws again with the next frame.
  await page.waitForFunction((before) => document.querySelector(".u-legend .u-marker[style*='border']").style.borderColor !== before, light[1].find(Boolean), { timeout: 30_000 });
  assert.ok((await pictures()).every((drawn) => drawn > 500));
  const dark = [await background(), await strokes()];
  assert.notEqual(light[0], dark[0]);
  assert.notDeepEqual(light[1], dark[1]);
  assert.deepEqual(account.errors, []);
  await page.close();
});

test("one zoom and one cursor for all charts", async () => {
  const { url } = report(home.path);
  const { page } = await open(chromium.context, url);
  const over = await page.$("#chart-users .u-over");
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 40);
  assert.match(await page.textContent(".readout"), /^2026-11-27 0[12]:\d\d UTC/);
  const cursors = await page.$$eval("section.chart:not(#chart-recovered) .u-cursor-x", (all) => new Set(all.map(({ style }) => style.transform)).size);
  assert.equal(cursors, 1);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + 50, { steps: 4 });
  await page.mouse.up();
  await page.waitForSelector("text=Show the whole run");
  await page.click("text=Show the whole run");
  assert.equal(await page.isVisible("text=Show the whole run"), false);
  await page.click("#thresholds button.when");
  assert.ok(await page.isVisible("text=Show the whole run"));
  await page.close();
});

test("planned disruptions and how users came back are told, drawn and in tables", async () => {
  const { url, summary } = report(home.path);
  const { page, account } = await open(chromium.context, url);
  const [head, deploy] = await rows(page, "#planned");
  const told = Object.fromEntries(head.map((name, at) => [name, deploy[at]]));
  const [each] = summary.marked.each;
  assert.deepEqual([told.what, told.lasted, number(told.cut), number(told.late)], [each.what, "6m 30s", each.cut, each.late]);
  assert.equal(told["every user back"], "in 4.2 s");
  assert.match(await page.textContent("#planned .note"), /Thresholds count them/);
  const table = await rows(page, "#recovered > .scroll");
  assert.deepEqual(table.slice(1).map((row) => [row[0], row[2]]), [["disconnect 100%", "in 27s"], [each.what, "in 4.2 s"]]);
  assert.match(await page.textContent("#story"), /disconnect 100%: 1,988 of 1,988 users back: half in .*, all in 27s/);
  await page.click("#chart-recovered summary");
  const curve = await rows(page, "#chart-recovered details");
  const [storm] = summary.recoveries;
  curve.slice(1, 1 + storm.curve.length).forEach((row, at) => {
    const held = (storm.held - storm.users + storm.curve[at]) / storm.held;
    assert.ok(Math.abs(Number.parseFloat(row[1]) / 100 - held) < 0.001, `${row} at ${at}: ${held}`);
  });
  assert.equal(curve.at(-1)[1], "100 %");
  // The disruption is shaded on the charts of time: more is drawn with it than without.
  const drawn = () => page.$eval("#chart-users canvas", (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let at = 3; at < data.length; at += 4) painted += data[at] > 0;
    return painted;
  });
  const shaded = await drawn();
  const { url: plain } = report(home.path, { change: ({ marked, recoveries, ...rest }) => rest });
  await page.goto(plain);
  await page.waitForSelector("#chart-users canvas");
  assert.ok(await drawn() < shaded);
  assert.equal(await page.$("#planned, #recovered"), null);
  assert.deepEqual(account.errors, []);
  await page.close();
});

test("hostile texts stay texts", async () => {
  const { url, summary } = report(home.path, { hostile: true });
  const { page, account } = await open(chromium.context, url);
  const markup = summary.run.plenary;
  assert.match(markup, /<img src=x onerror=/);
  const text = await page.evaluate(() => document.getElementById("page").textContent);
  assert.ok(text.split(markup.slice(0, 60)).length > 8, "it is shown in many places");
  assert.equal(await page.$$eval("img, iframe, object, embed, link[rel=stylesheet]", (all) => all.length), 0);
  assert.equal(await page.$$eval("script", (all) => all.length), 2);
  const summaries = await page.$$("section.chart summary");
  for (const one of summaries) await one.click();
  assert.deepEqual(account.dialogs, []);
  assert.deepEqual(account.errors, []);
  assert.deepEqual(account.requests, [url, "data:,"].slice(0, account.requests.length));
  await page.close();
});

test("the policy forbids what the page does not need", async () => {
  const { url } = report(home.path);
  const { page, account } = await open(chromium.context, url);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    const image = new Image();
    image.src = "http://127.0.0.1:1/x.png";
    return window.ran === true;
  });
  assert.equal(ran, false);
  assert.ok(account.errors.some((text) => text.includes("Content Security Policy")));
  await page.close();
});

test("a file of 0.1 gives a page that says why it has no charts", async () => {
  const { url } = report(home.path, { change: ({ timeline, ...summary }) => summary });
  const { page, account } = await open(chromium.context, url);
  assert.match(await page.textContent("#page"), /has no timeline/);
  assert.deepEqual(account.errors, []);
  await page.close();
});

test("a map of times may begin anywhere", async () => {
  const { url } = report(home.path);
  const { page, account } = await open(chromium.context, url);
  await page.evaluate(async () => {
    const place = document.body.appendChild(document.createElement("div"));
    for (let bucket = -230; bucket < 115; bucket++) {
      const from = (51 / 49) ** bucket;
      const heat = { from, step: 51 / 49, buckets: 48, slices: ["1".repeat(48), "1".repeat(48)] };
      const y = { distr: 3, range: () => spread({ heat, limit: null }) };
      const plot = new uPlot({ width: 400, height: 260, scales: { y }, series: [{}, {}] }, [[0, 60], [from, from]], place);
      // It draws in a task of its own.
      await Promise.resolve();
      plot.destroy();
    }
  });
  assert.deepEqual(account.errors, []);
  await page.close();
});

test("eight hours are at most 500 kB", () => {
  const { bytes } = report(home.path);
  assert.ok(bytes <= 500_000, `${bytes} bytes`);
});
