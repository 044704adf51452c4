// Turns what Prometheus answered into Grafana's data frames, with the panel's field options applied.
import { FieldType, createTheme, formattedValueToString, getDisplayProcessor, getValueFormat, outerJoinDataFrames, toDataFrame } from '@grafana/data';

export const theme = createTheme({ colors: { mode: 'dark' } });

function configFor(panel, name, index) {
  const config = structuredClone(panel.fieldConfig.defaults);
  config.displayName = name;
  config.color = { mode: 'palette-classic', ...config.color };
  for (const { matcher, properties } of panel.fieldConfig.overrides) {
    const pattern = matcher.id === 'byRegexp' && new RegExp(matcher.options.slice(1, -1));
    if (pattern ? !pattern.test(name) : matcher.options !== name) continue;
    for (const { id, value } of properties) {
      const path = id.split('.');
      const last = path.pop();
      const place = path.reduce((at, key) => (at[key] ??= {}), config);
      place[last] = value;
    }
  }
  if (config.custom) config.custom = { drawStyle: 'line', lineInterpolation: 'linear', axisPlacement: 'auto', axisWidth: 70, ...config.custom };
  return { config, index };
}

function withDisplay(field) {
  field.display = getDisplayProcessor({ field, theme });
  return field;
}

// One frame for all series of a panel over time.
export function overTime(panel, series) {
  const frames = series.map(({ legend, times, values }, index) => {
    const { config } = configFor(panel, legend, index);
    return toDataFrame({
      fields: [
        { name: 'Time', type: FieldType.time, values: times },
        { name: legend, type: FieldType.number, values, config, state: { seriesIndex: index } },
      ],
    });
  });
  const frame = frames.length > 1 ? outerJoinDataFrames({ frames }) : frames[0];
  frame.fields.forEach((field, i) => {
    field.state = { ...field.state, seriesIndex: i - 1, displayName: field.config.displayName };
    withDisplay(field);
  });
  return frame;
}

// One row for each set of labels, one column for each query.
export function asTable(panel, columns, rows) {
  const fields = columns.map((name) => {
    const values = rows.map((row) => row[name] ?? null);
    const number = values.some((value) => typeof value === 'number');
    const { config } = configFor(panel, name, 0);
    return withDisplay({ name, type: number ? FieldType.number : FieldType.string, values, config: { ...config, custom: config.custom ?? {}, links: [] }, state: {} });
  });
  return { fields, length: rows.length, refId: 'A' };
}

// Bounds of buckets as the axis of a heatmap shows them.
export const bound = (panel) => (le) => formattedValueToString(getValueFormat(panel.fieldConfig.defaults.unit)(Number(le)));

export function oneNumber(panel, value) {
  const { config } = configFor(panel, panel.title, 0);
  return getDisplayProcessor({ field: { name: panel.title, type: FieldType.number, config }, theme })(value);
}
