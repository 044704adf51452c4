"use strict";
// Numbers and times as people read them.

/** Three digits where there are that many, whole numbers grouped beyond. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 99.95) return Math.round(value).toLocaleString("en-US");
  if (size === 0) return "0";
  return String(Number(value.toPrecision(size >= 0.095 ? 3 : 2)));
}

/** With the largest unit of `steps` (from, unit, and the factor where it is another) that fits. */
function scaled(value, steps) {
  const size = Math.abs(value);
  const [from, unit, factor = from] = steps.find(([from]) => size >= from) ?? steps[steps.length - 1];
  return `${digits(value / factor)} ${unit}`.trim();
}

const LARGE = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1, ""]];

/** By the units of the data: what a person reads at an axis, in a legend and in a table. */
const WRITTEN = {
  number: (value) => scaled(value, LARGE),
  per_second: (value) => `${scaled(value, LARGE)}/s`,
  per_minute: (value) => `${scaled(value, LARGE)}/min`,
  count: (value) => value.toLocaleString("en-US"),
  percent: (value) => `${digits(value * 100)} %`,
  bytes: (value) => scaled(value, [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]),
  seconds: (value) => scaled(value, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]]),
};

/** The same at an axis, whose title has the unit. */
const AT_AXIS = {
  ...WRITTEN,
  number: short, per_second: short, per_minute: short,
};

function short(value) {
  return scaled(value, [...LARGE.slice(0, 3), [1e4, "k", 1e3], [1, ""]]);
}

/** A value in words, and a dash for none. */
function written(unit, value) {
  return value === null || value === undefined ? "–" : (WRITTEN[unit] ?? WRITTEN.number)(value);
}

/** `2026-11-28 03:12:00`, in UTC. */
function utc(seconds) {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().slice(0, 19).replace("T", " ");
}

/** Labels of a time axis: hours and minutes, and the day where it changes. */
function timeLabels(ticks, step) {
  let day = "";
  return ticks.map((tick) => {
    const text = utc(tick);
    const label = step < 60 ? text.slice(11, 19) : text.slice(11, 16);
    if (text.slice(0, 10) === day) return label;
    day = text.slice(0, 10);
    return `${label}\n${day}`;
  });
}
