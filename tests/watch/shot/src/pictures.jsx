// Each kind of panel, drawn by Grafana's own component where its packages have one.
import { BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, Table, TimeSeries } from '@grafana/ui';
import { dateTime } from '@grafana/data';
import { useEffect, useRef } from 'react';
import { asTable, bound, oneNumber, overTime, theme } from './frames';

const Empty = () => <div className="empty">No data</div>;

export function Picture({ panel, shown, range, width, height }) {
  const draw = { timeseries: Lines, stat: Stat, table: Rows, heatmap: Heat, 'state-timeline': Timeline }[panel.type];
  return draw({ panel, shown, range, width, height });
}

function Lines({ panel, shown, range, width, height }) {
  if (!shown.series.length) return <Empty />;
  const timeRange = { from: dateTime(range.from), to: dateTime(range.to), raw: { from: dateTime(range.from), to: dateTime(range.to) } };
  return (
    <TimeSeries
      frames={[overTime(panel, shown.series)]}
      structureRev={1}
      timeRange={timeRange}
      timeZone="utc"
      legend={{ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] }}
      width={width}
      height={height}
      options={{}}
    />
  );
}

function Stat({ panel, shown, width, height }) {
  const value = oneNumber(panel, shown.value);
  if (shown.value === null) value.text = panel.fieldConfig.defaults.noValue ?? 'No data';
  return (
    <BigValue
      value={value}
      theme={theme}
      width={width}
      height={height}
      colorMode={BigValueColorMode.Background}
      graphMode={BigValueGraphMode.None}
      justifyMode={BigValueJustifyMode.Auto}
      textMode={BigValueTextMode.Value}
    />
  );
}

function Rows({ panel, shown, width, height }) {
  if (!shown.rows.length) return <Empty />;
  return <Table data={asTable(panel, shown.columns, shown.rows)} width={width} height={height} />;
}

// Grafana's heatmap is not in its packages: the same picture, by hand.
function Heat({ panel, shown, width, height }) {
  const canvas = useRef(null);
  useEffect(() => {
    if (!canvas.current || !shown.buckets.length) return;
    const context = canvas.current.getContext('2d');
    const [left, low] = [44, 18];
    const columns = shown.times.length;
    const most = Math.max(...shown.buckets.flatMap((bucket) => bucket.counts), 1e-9);
    const [w, h] = [(width - left) / columns, (height - low) / shown.buckets.length];
    context.font = '11px sans-serif';
    shown.buckets.forEach((bucket, row) => {
      const y = height - low - (row + 1) * h;
      bucket.counts.forEach((count, column) => {
        if (count < 1e-9) return;
        const part = Math.sqrt(count / most);
        context.fillStyle = `rgb(${90 + 165 * part}, ${30 + 140 * part}, ${20 + 60 * part})`;
        context.fillRect(left + column * w, y, Math.ceil(w), Math.ceil(h) - 1);
      });
      context.fillStyle = '#8e8e9e';
      if (row % 2 === 0 && bucket.le !== '+Inf') context.fillText(bound(panel)(bucket.le), 2, y + 4);
    });
  }, [shown, width, height]);
  return shown.buckets.length ? <canvas ref={canvas} width={width} height={height} /> : <Empty />;
}

// Nor is the state timeline.
function Timeline({ panel, shown }) {
  const meaning = panel.fieldConfig.defaults.mappings[0].options;
  return (
    <div className="timeline">
      {shown.series.flatMap(({ legend, values }) => [
        <span key={legend}>{legend}</span>,
        <div key={`${legend}-bar`} className="bar">
          {values.map((value, i) => (
            <div key={i} style={{ flex: 1, background: meaning[String(value)]?.color ?? 'transparent' }} />
          ))}
        </div>,
      ])}
    </div>
  );
}
