"use strict";
// How users came back after their connections were ended: a table, and a line for each time on one chart.

const HEIGHT_OF_RECOVERY = 220;
const MOMENTS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200];

/** `0.5 s`, `2 min`, `6 h`. */
function lasting(seconds) {
  return scaled(seconds, [[3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"]]);
}

/** Labels for as many moments as have room. */
function moments(plot) {
  const { min, max } = plot.scales.x;
  const shown = MOMENTS.filter((moment) => moment >= min * 0.999 && moment <= max * 1.001);
  const room = Math.max(Math.floor(plot.bbox.width / devicePixelRatio / 56), 2);
  return shown.filter((_, at) => at % Math.ceil(shown.length / room) === 0);
}

/** The chart of the recoveries, where it is drawn. */
class RecoveryChart {
  constructor() {
    this.place = element("div", { class: "plot", role: "img", "aria-label": "Users held after their connections ended; the same figures are in the table below" });
    this.plot = null;
    this.paper = null;
  }

  show(data) {
    this.data = data;
    this.redraw();
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.data?.curves.length) return;
    const { times, curves } = this.data;
    const grid = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("quiet"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const line = ({ name }, at) => ({
      label: name,
      stroke: colour(COLOURS[at % COLOURS.length]),
      dash: at < COLOURS.length ? undefined : [6, 4],
      width: 1.5,
      points: { show: false },
      value: (_, value) => written("percent", value),
    });
    this.plot = new uPlot({
      width: this.paper ?? Math.max(this.place.clientWidth, 200),
      height: HEIGHT_OF_RECOVERY,
      padding: [16, 34, null, 8],
      scales: {
        x: { time: false, distr: 3, range: () => [times[0], Math.max(times[times.length - 1], times[0] * 1.01)] },
        y: { range: [0, 1.04] },
      },
      axes: [
        { ...axis, splits: (plot) => moments(plot), filter: (_, splits) => splits, values: (_, ticks) => ticks.map(lasting) },
        { ...axis, size: 64, splits: () => [0, 0.25, 0.5, 0.75, 1], values: (_, ticks) => ticks.map((tick) => written("percent", tick)) },
      ],
      series: [{ label: "after", value: (_, value) => (value === null ? "–" : lasting(value)) }, ...curves.map(line)],
      cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    }, [times, ...curves.map(({ values }) => values)], this.place);
  }
}

/** Everything about recoveries: what is known of each, the curves, and the curves' figures. */
function recoveries(recovered, chart) {
  if (!recovered) return null;
  const { table: { id, title, note, head, rows }, times, curves } = recovered;
  const figures = () => table(["after", ...curves.map(({ name }) => name)],
    times.map((time, at) => [lasting(time), ...curves.map(({ values }) => written("percent", values[at]))]), (at) => at > 0);
  return element("section", { id },
    element("h2", {}, title),
    element("p", { class: "note" }, note),
    table(head, rows, (at) => at > 2),
    curves.length ? element("section", { class: "chart", id: "chart-recovered" },
      element("h3", {}, "Users held, of those before, by the time since their connections ended"),
      chart.place,
      element("details", {}, element("summary", {}, "Users held: as a table"), figures())) : null);
}
