// One panel: Grafana's frame around Grafana's graph or number, and a table or heatmap of our own.
import React from 'react';
import { applyFieldOverrides, getDisplayProcessor, dateTime } from '@grafana/data';
import { BigValue, PanelChrome, TimeSeries } from '@grafana/ui';
import { frame, series } from './prometheus';
import { Heatmap } from './heatmap';

// What Grafana's registry of field options would fill in.
const CUSTOM = {
  axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', axisBorderShow: false, lineInterpolation: 'linear', pointSize: 5,
  gradientMode: 'none', barAlignment: 0, scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' },
  hideFrom: { tooltip: false, viz: false, legend: false },
};

/** What holds for one series: the defaults, and what overrides them for its name or its target. A threshold from the start has no
 *  number in JSON. */
function configured({ defaults, overrides }, one) {
  const config = structuredClone(defaults), is = { byName: one.name, byFrameRefID: one.ref };
  for (const { matcher, properties } of overrides) {
    if (is[matcher.id] !== matcher.options) continue;
    for (const { id, value } of properties) {
      const path = id.split('.'), last = path.pop();
      path.reduce((inside, name) => inside[name] ??= {}, config)[last] = value;
    }
  }
  for (const step of config.thresholds?.steps ?? []) step.value ??= -Infinity;
  return config;
}

function frames(panel, found, range, theme) {
  const configs = found.map(one => configured(panel.fieldConfig, one));
  const data = found.map((one, n) => frame(one, { ...configs[n], displayNameFromDS: one.name, custom: {} }, range));
  const done = applyFieldOverrides({
    data, fieldConfig: { defaults: {}, overrides: [] }, replaceVariables: text => text, theme, timeZone: 'utc',
  });
  done.forEach(({ fields: [, field] }, n) => {
    field.state = { ...field.state, seriesIndex: n };
    field.display = getDisplayProcessor({ field, theme });
    field.config.custom = { ...CUSTOM, ...configs[n].custom };
  });
  return done;
}

function Graph({ panel, found, range, width, height, theme }) {
  const data = frames(panel, found, range, theme);
  const timeRange = { from: dateTime(range.from * 1000), to: dateTime(range.to * 1000), raw: { from: 'now-1h', to: 'now' } };
  return <TimeSeries frames={data} structureRev={1} timeRange={timeRange} timeZone="utc" width={width} height={height}
    legend={panel.options.legend} options={panel.options} replaceVariables={text => text} />;
}

function Numbers({ panel, found, range, width, height, theme }) {
  const data = frames(panel, found, range, theme);
  return <div style={{ display: 'flex', height }}>{data.map(({ fields: [time, value] }, n) => {
    const shown = value.display(value.values.findLast(one => one !== null));
    return <BigValue key={n} theme={theme} width={width / data.length - 4} height={height} justifyMode="auto"
      value={{ ...shown, title: data.length > 1 ? found[n].name : undefined }} sparkline={{ x: time, y: value }}
      colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} textMode={panel.options.textMode} />;
  })}</div>;
}

function Rows({ panel, found }) {
  const hidden = panel.transformations.find(one => one.id === 'organize')?.options.excludeByName ?? {};
  const columns = Object.keys(found[0].labels).filter(label => !hidden[label]);
  return <table style={{ fontSize: 13, width: '100%', textAlign: 'left' }}><tbody>
    <tr>{columns.map(label => <th key={label}>{label}</th>)}</tr>
    {found.map((one, n) => <tr key={n}>{columns.map(label => <td key={label}>{one.labels[label]}</td>)}</tr>)}
  </tbody></table>;
}

const KINDS = { timeseries: Graph, stat: Numbers, table: Rows, heatmap: Heatmap };

class Catch extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <pre className="error">{String(this.state.error.stack)}</pre> : this.props.children; }
}

function Inside(props) {
  if (props.error) return <pre className="error">{props.error}</pre>;
  // Zeros are something to see, and of a heatmap they are not.
  const enough = props.panel.type === 'heatmap' ? value => value > 0 : value => value !== null;
  const empty = props.panel.type === 'table' ? !props.found.length : !props.found.some(one => one.values.some(enough));
  if (empty) return <div className="empty" style={{ display: 'grid', placeItems: 'center', height: props.height }}>No data</div>;
  const Kind = KINDS[props.panel.type];
  return <Catch><Kind {...props} /></Catch>;
}

export function Panel({ place, server, range, theme, done }) {
  const { panel, left, top, width, height } = place, [answer, set] = React.useState(null);
  React.useEffect(() => {
    series(server, panel, range).then(found => set({ found }), error => set({ error: String(error) }));
  }, []);
  React.useEffect(() => { if (answer) done(); }, [answer]);
  return <div className="panel" data-title={panel.title} data-type={panel.type} style={{ position: 'absolute', left, top, width, height }}>
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height} padding="sm">
      {(width, height) => answer && <Inside {...{ panel, range, width, height, theme, ...answer }} />}
    </PanelChrome>
  </div>;
}
