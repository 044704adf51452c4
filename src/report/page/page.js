"use strict";
// The page: words first, then the charts, then the rest. Everything is written as text; nothing of the
// data becomes markup.

const RESULTS = { failed: "FAILED", passed: "passed", too_few: "passed, too few to exclude the limit", off: "off", not_judged: "not judged" };
const MOST_ROWS = 96;
const ICONS = { passed: "✔", failed: "✘", invalid: "?", running: "…" };

/** An element with properties, attributes and children; strings are text. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A table; columns after the first are numbers where `numbers` says so. */
function table(head, rows, numbers = () => false) {
  const cell = (name) => (text, at) => element(name, { class: numbers(at) ? "number" : null, scope: name === "th" ? "col" : null }, text);
  const made = element("table", {},
    element("thead", {}, element("tr", {}, ...head.map(cell("th")))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td"))))));
  return element("div", { class: "scroll" }, made);
}

function header({ headline, facts }) {
  const fact = ({ name, value }) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
  return element("header", { class: headline.outcome },
    element("h1", {}, `${ICONS[headline.outcome] ?? ""} ${headline.title}`),
    element("div", { class: "reason" }, ...clauses(headline.reason)),
    element("dl", { class: "facts" }, ...facts.map(fact)));
}

/** The reasons of a verdict, a line for each. */
function clauses(reason) {
  const parts = reason.split("; ");
  return parts.map((part, at) => element("p", {}, at < parts.length - 1 ? `${part};` : part));
}

/** A time that shows itself on the charts when it is clicked. */
function when(moment, charts) {
  if (!moment.time) return element("span", { class: "when quiet" }, "the whole run");
  if (!charts || moment.from === null) return element("span", { class: "when" }, moment.time);
  const around = () => {
    const margin = Math.max(moment.to - moment.from, 600);
    charts.zoom([moment.from - margin, moment.to + margin]);
    document.getElementById("over-time").scrollIntoView();
  };
  return element("button", { class: "when", type: "button", title: "Show this time on the charts", onclick: around }, moment.time);
}

/** When a threshold was at its worst, and how bad that was; or why that is not known. */
function worst({ worst: moment }, charts) {
  if (!moment) return [];
  return moment.time ? [when(moment, charts), `: ${moment.text}`] : [moment.text];
}

function thresholds(rows, charts, final = true) {
  if (rows.length === 0) return null;
  const row = (threshold) => element("tr", { class: threshold.result },
    element("td", { class: "name" }, threshold.name),
    element("td", { class: "result" }, RESULTS[threshold.result] ?? threshold.result),
    element("td", { class: "number" }, threshold.limit),
    element("td", { class: "number value" }, threshold.value),
    element("td", { class: "number" }, threshold.n),
    element("td", {}, ...worst(threshold, charts)));
  const head = ["Threshold", "Result", "Limit", "Value", "Of", "Worst"];
  const numbers = [2, 3, 4];
  return element("section", { id: "thresholds" },
    element("h2", {}, final ? "Thresholds" : "Thresholds so far"),
    element("div", { class: "scroll" }, element("table", {},
      element("thead", {}, element("tr", {}, ...head.map((text, at) => element("th", { scope: "col", class: numbers.includes(at) ? "number" : null }, text)))),
      element("tbody", {}, ...rows.map(row)))));
}

function story(moments, charts) {
  if (moments.length === 0) return null;
  const item = (moment) => element("li", {}, when(moment, charts), element("span", { class: "what" }, moment.text));
  return element("section", { id: "story" },
    element("h2", {}, "What happened"),
    element("p", { class: "note" }, "Times are UTC. Click one to see it on the charts."),
    element("ol", { class: "story" }, ...moments.map(item)));
}

/** The figures of a chart for readers who cannot see it; made when it is opened. */
function figures(chart, data) {
  const details = element("details", {}, element("summary", {}, `${chart.title}: as a table`));
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    details.querySelector(".scroll")?.remove();
    details.append(data.table_times.length ? figuresOf(chart, data) : latestFigures(chart, data));
  });
  return details;
}

function figuresOf(chart, data) {
  const rows = data.table_times.map((time, at) => [
    utc(time).slice(0, 16),
    ...chart.series.map(({ table: values }) => written(chart.table_unit, values[at])),
  ]);
  const head = [`UTC, each ${Math.round(data.table_seconds / 60)} min`, ...chart.series.map(({ name }) => name)];
  return table(head, rows, (at) => at > 0);
}

/** While a run goes on: the last figures as of now. */
function latestFigures({ id }, data) {
  const { times, charts } = data.latest?.() ?? data;
  const chart = charts.find((one) => one.id === id);
  const from = Math.max(times.length - MOST_ROWS, 0);
  const rows = times.slice(from).map((time, at) => [
    utc(time),
    ...chart.series.map(({ values }) => written(chart.unit, values[from + at])),
  ]);
  return table(["UTC", ...chart.series.map(({ name }) => name)], rows, (at) => at > 0);
}

function chartSection(chart, data, charts) {
  const place = element("div", { class: "plot", role: "img", "aria-label": `${chart.title}; the same figures are in the table below` });
  charts.places.set(chart.id, place);
  return element("section", { class: "chart", id: `chart-${chart.id}` },
    element("h3", {}, chart.title),
    element("p", { class: "note", hidden: chart.note ? null : "" }, chart.note),
    place,
    figures(chart, data));
}

function events({ events: marks, events_dropped: dropped }) {
  if (marks.length === 0) return null;
  const rows = marks.map(({ time, kind, text }, at) => [String(at + 1), time, kind.replaceAll("_", " "), text]);
  return element("details", { class: "events", open: marks.length <= 30 ? "" : null },
    element("summary", {}, `Events: ${marks.length + dropped}; their numbers are on the charts, where there is room`),
    table(["", "When", "Kind", "What"], rows),
    dropped ? element("p", { class: "note" }, `${dropped} more are not listed.`) : null);
}

function overTime(data, charts, reset) {
  const heading = element("h2", { id: "over-time" }, "Over time");
  if (!data) {
    return [heading, element("p", {}, "This summary has no timeline: it was written by soakrig 0.1, or the run ended before its first slice. The figures below are of the whole run.")];
  }
  return [
    heading,
    element("p", { class: "note screen" }, "Drag over a chart to zoom all of them; double-click to see the whole run. Planned disruptions are shaded."),
    element("div", { class: "toolbar" }, charts.readout, reset),
    events(data),
    ...data.charts.map((chart) => chartSection(chart, data, charts)),
  ];
}

function further({ id, title, note, head, rows }) {
  const isNumber = (at) => at > 0 && rows.every((row) => /^[\d,.–]+( ?%)?$/.test(row[at]));
  return element("section", { id },
    element("h2", {}, title),
    note ? element("p", { class: "note" }, note) : null,
    table(head, rows, isNumber));
}

function start() {
  const view = JSON.parse(document.getElementById("data").textContent);
  if (view.kind === "live") {
    watch(document.getElementById("page"));
    return;
  }
  const readout = element("span", { class: "readout quiet" }, "Point at a chart to read it.");
  const charts = view.timeline ? new Charts(readout) : null;
  const recovery = new RecoveryChart();
  const reset = element("button", { type: "button", hidden: "", onclick: () => charts.zoom(null) }, "Show the whole run");
  if (charts) charts.onzoom = (zoomed) => { reset.hidden = !zoomed; };
  document.title = `${view.headline.title} – ${view.facts[0]?.value ?? "soakrig"}`;
  const sections = [
    header(view),
    thresholds(view.thresholds, charts),
    story(view.story, charts),
    view.planned ? further(view.planned) : null,
    recoveries(view.recovered, recovery),
    ...overTime(view.timeline, charts, reset),
    ...view.tables.map(further),
    element("footer", {}, "Written by soakrig. Charts are drawn with uPlot, © 2022 Leon Sorokin, MIT licence."),
  ];
  document.getElementById("page").append(...sections.filter((section) => section !== null));
  recovery.show(view.recovered);
  if (charts) charts.show(view.timeline);
  follow(charts, recovery);
}

/** Redraws where what the charts are drawn with changes: colours, width, paper. */
function follow(...some) {
  const all = some.filter((charts) => charts !== null);
  const redraw = () => all.forEach((charts) => charts.redraw());
  const on = (paper) => all.forEach((charts) => { charts.paper = paper; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) requestAnimationFrame(redraw);
    width = innerWidth;
  });
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    on(680);
    redraw();
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    on(null);
    redraw();
  });
}

start();
