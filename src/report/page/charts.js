"use strict";
// The charts: one time axis for all of them, one cursor, one zoom.

const HEIGHT = 170;
const HEIGHT_OF_MAP = 260;
const NEAR = 8; // pixels from a mark at which its text is shown
const COLOURS = ["blue", "orange", "green", "purple", "teal", "red", "grey"];
const COLOUR_OF = {
  target: "grey", connected: "blue", "away on purpose": "purple",
  "messages sent": "orange", "frames received": "blue",
  expected: "grey", "on time": "green",
  lost: "red", late: "orange", excused: "grey", outstanding: "purple",
  "half within": "green", "90 % within": "orange", "99 % within": "red",
  "ended by the server": "red", "ended by the network": "orange", "ended by the user": "grey", joined: "green",
  CPU: "blue", "spoilt time": "red",
};
const MARK_COLOUR = { rule: "red", restart: "red", control: "purple", mark_begin: "purple", mark_end: "purple", phase: "grey" };
const FILLED = ["missed", "anomalies", "errors", "connections", "memory"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function colourOf(series, at) {
  return colour(COLOUR_OF[series.name] ?? COLOURS[at % COLOURS.length]);
}

/** The charts of a page. `readout` shows what is under the cursor. */
class Charts {
  constructor(readout) {
    this.readout = readout;
    this.plots = new Map();
    this.places = new Map();
    this.zoomed = null;
    this.paper = null;
  }

  /** Takes new data; draws charts whose places are known. */
  show(data) {
    this.take(data);
    this.redraw();
  }

  take(data) {
    this.data = data;
    this.data.latest = () => this.data;
    const last = data.times.length - 1;
    this.full = [
      Math.max(data.span[0], data.times[0]),
      Math.max(Math.min(data.span[1], data.times[last] + data.slice_seconds), data.times[0] + 1),
    ];
  }

  /** Takes newer data of the same charts; draws again what has other lines. */
  update(data) {
    const before = this.data;
    this.take(data);
    const lines = (chart) => chart.series.map(({ name, values }) => name + values.some((value) => value > 0)).join();
    for (const chart of data.charts) {
      const plot = this.plots.get(chart.id);
      const old = before?.charts.find(({ id }) => id === chart.id);
      if (plot && old && lines(old) === lines(chart) && !old.heat === !chart.heat) {
        plot.chart = chart;
        plot.setData(this.columns(chart));
      } else {
        plot?.destroy();
        this.plots.delete(chart.id);
        const place = this.places.get(chart.id);
        if (place) this.plots.set(chart.id, this.plot(chart, place));
      }
    }
  }

  redraw() {
    for (const plot of this.plots.values()) plot.destroy();
    this.plots.clear();
    if (!this.data) return;
    for (const chart of this.data.charts) {
      const place = this.places.get(chart.id);
      if (place) this.plots.set(chart.id, this.plot(chart, place));
    }
  }

  /** Forgets the charts and their places, which are no longer on the page. */
  clear() {
    for (const plot of this.plots.values()) plot.destroy();
    this.plots.clear();
    this.places.clear();
  }

  columns(chart) {
    // The last slice has a width, too.
    const times = this.data.times.concat(this.data.times[this.data.times.length - 1] + this.data.slice_seconds);
    const lines = chart.series.map(({ values }) => values.concat(values[values.length - 1] ?? null));
    return [times, ...lines];
  }

  plot(chart, place) {
    const width = this.paper ?? Math.max(place.clientWidth, 200);
    const quiet = colour("quiet");
    const axis = { stroke: quiet, grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 }, font: "12px system-ui, sans-serif" };
    const fills = FILLED.includes(chart.id);
    const options = {
      width,
      height: chart.heat ? HEIGHT_OF_MAP : HEIGHT,
      padding: [16, 34, null, 8],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: true, range: () => this.zoomed ?? this.full },
        y: chart.heat ? { distr: 3, range: (plot) => spread(plot.chart ?? chart) } : { range: (_, min, max) => upTo(min, max) },
      },
      axes: [
        { ...axis, space: 80, values: (_, ticks, __, ___, step) => timeLabels(ticks, step) },
        { ...axis, grid: { ...axis.grid, show: !chart.heat }, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : AT_AXIS[chart.unit](tick))) },
      ],
      series: [{}, ...chart.series.map((series, at) => this.line(chart, series, at, fills))],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => this.zoom(null) },
        points: { size: 5 },
        sync: { key: "soakrig", scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      },
      hooks: {
        drawClear: [(plot) => this.behind(plot, plot.chart ?? chart)],
        draw: [(plot) => this.before(plot, plot.chart ?? chart)],
        setSelect: [(plot) => this.select(plot)],
        setCursor: [(plot) => this.read(plot)],
      },
    };
    const plot = new uPlot(options, this.columns(chart), place);
    plot.chart = chart;
    return plot;
  }

  line(chart, series, at, fills) {
    const stroke = colourOf(series, at);
    // A line that is 0 throughout would only cover others.
    const flat = chart.series.length > 1 && !series.values.some((value) => value > 0);
    return {
      label: series.name,
      stroke,
      width: flat ? 0 : chart.heat ? 2 : 1.5,
      fill: fills ? translucent(stroke, 0.15) : undefined,
      dash: series.name === "target" || series.name === "expected" ? [6, 4] : undefined,
      paths: uPlot.paths.stepped({ align: 1 }),
      points: { show: false },
      value: (_, value) => written(chart.unit, value),
    };
  }

  /** Zooms to a span of time; none: to the whole run. */
  zoom(span) {
    this.zoomed = span;
    const [min, max] = span ?? this.full;
    for (const plot of this.plots.values()) plot.setScale("x", { min, max });
    this.onzoom?.(span !== null);
  }

  /** Takes a span that was dragged over as the zoom of all charts. */
  select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const span = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(span);
  }

  behind(plot, chart) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = translucent(colour("purple"), 0.14);
    for (const [from, to] of this.data.planned) {
      const [left, right] = [from, to].map((at) => plot.valToPos(at, "x", true));
      if (right > bbox.left && left < bbox.left + bbox.width) ctx.fillRect(left, bbox.top, Math.max(right - left, devicePixelRatio), bbox.height);
    }
    if (chart.heat) this.heat(plot, chart.heat);
    ctx.restore();
  }

  heat(plot, heat) {
    const { ctx } = plot;
    const rgb = colour("heat");
    const shades = Array.from({ length: 10 }, (_, level) => `rgba(${rgb}, ${(level / 9) ** 1.3 * 0.85})`);
    const edges = Array.from({ length: heat.buckets + 1 }, (_, row) => Math.round(plot.valToPos(heat.from * heat.step ** row, "y", true)));
    const { min, max } = plot.scales.x;
    const { times, slice_seconds } = this.data;
    heat.slices.forEach((levels, at) => {
      const end = times[at + 1] ?? times[at] + slice_seconds;
      if (end < min || times[at] > max) return;
      const left = Math.round(plot.valToPos(times[at], "x", true));
      const right = Math.round(plot.valToPos(end, "x", true));
      for (let row = 0; row < levels.length; row++) {
        const level = levels.charCodeAt(row) - 48;
        if (!(level > 0 && level < 10)) continue;
        ctx.fillStyle = shades[level];
        ctx.fillRect(left, edges[row + 1], Math.max(right - left, 1), Math.max(edges[row] - edges[row + 1], 1));
      }
    });
  }

  /** Marks of events, and the limit. */
  before(plot, chart) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - 8 * ratio, 0, bbox.width + 16 * ratio, bbox.top + bbox.height);
    ctx.clip();
    ctx.lineWidth = ratio;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    let free = -Infinity;
    this.data.events.forEach((event, at) => {
      const x = Math.round(plot.valToPos(event.at, "x", true));
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) return;
      ctx.strokeStyle = ctx.fillStyle = colour(MARK_COLOUR[event.kind] ?? "orange");
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const number = String(at + 1);
      const half = ctx.measureText(number).width / 2;
      if (x - half < free) return;
      ctx.fillText(number, x, bbox.top - 2 * ratio);
      free = x + half + 3 * ratio;
    });
    if (chart.limit) this.limit(plot, chart);
    ctx.restore();
  }

  limit(plot, chart) {
    const { ctx, bbox } = plot;
    const y = Math.round(plot.valToPos(chart.limit, "y", true));
    ctx.strokeStyle = ctx.fillStyle = colour("red");
    ctx.textAlign = "left";
    ctx.setLineDash([8 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(`p99 limit ${written(chart.unit, chart.limit)}`, bbox.left + 6 * devicePixelRatio, y - 4 * devicePixelRatio);
  }

  /** Shows the time under the cursor, and the text of a mark near it. */
  read(plot) {
    const { left } = plot.cursor;
    if (!(left >= 0)) return;
    const at = plot.posToVal(left, "x");
    const near = this.data.events.filter((event) => Math.abs(plot.valToPos(event.at, "x") - left) <= NEAR);
    const texts = near.map((event) => `${event.time.slice(11, 19)} ${event.kind.replaceAll("_", " ")}: ${event.text}`);
    this.readout.textContent = [`${utc(at).slice(0, 16)} UTC`, ...texts].join(" · ");
  }
}

/** The range of a logarithmic axis: the rows of the map in which there is anything, and the limit. */
function spread({ heat, limit }) {
  if (!heat) return [0.001, 1];
  let [first, last] = [heat.buckets - 1, 0];
  for (const levels of heat.slices) {
    for (let row = 0; row < levels.length; row++) {
      if (levels[row] === "0") continue;
      first = Math.min(first, row);
      last = Math.max(last, row);
    }
  }
  const [low, high] = [heat.from * heat.step ** Math.min(first, last), heat.from * heat.step ** (last + 1)];
  const [from, to] = limit ? [Math.min(low, limit / 1.2), Math.max(high, limit * 1.2)] : [low, high];
  return [logarithmicFrom(from), to];
}

/** Where a logarithmic axis of uPlot may begin: from 0.095 to 0.1, for example, it begins at 0.09. Its first tick
 * would be rounded up to 0.1, the next power of ten, and ticks would never end. */
function logarithmicFrom(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return value > 9 * power ? 9 * power : value;
}

/** From 0, or below where there is less, to a little over the highest. */
function upTo(min, max) {
  const [low, high] = [Math.min(min ?? 0, 0), Math.max(max ?? 0, 0)];
  return low === high ? [0, 1] : [low * 1.08, high * 1.08];
}

function translucent(hex, alpha) {
  const value = parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
}
