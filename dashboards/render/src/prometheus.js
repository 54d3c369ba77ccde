// Asks Prometheus what Grafana would ask it, and makes data frames of the answers.
import { createDataFrame, FieldType } from '@grafana/data';

/** The time that is looked at, in seconds, with the step that Grafana takes for a panel of usual width. */
export function range(parameters) {
  const to = Number(parameters.get('to')), span = Number(parameters.get('span')), step = Math.max(1, Math.ceil(span / 250));
  // Four scrapes, as Grafana does; the scrape is each second.
  return { from: to - span, to, step, rate: Math.max(step + 1, 4), job: parameters.get('job') };
}

function substitute(expr, range) {
  return expr.replaceAll('$__rate_interval', `${range.rate}s`).replaceAll('$job', range.job).replaceAll(/\$(instance|poller)\b/g, '.+');
}

async function ask(server, target, range) {
  const body = new URLSearchParams({ query: substitute(target.expr, range) });
  if (target.instant) body.set('time', range.to);
  else for (const [name, value] of [['start', range.from], ['end', range.to], ['step', range.step]]) body.set(name, value);
  const answer = await (await fetch(`${server}/api/v1/${target.instant ? 'query' : 'query_range'}`, { method: 'POST', body })).json();
  if (answer.status !== 'success') throw new Error(`${answer.error} in ${target.expr}`);
  return answer.data.result;
}

const number = text => text === 'NaN' ? null : Number(text);

/** Series: a name as the legend has it, its target, labels, and a value or null for each step. */
export async function series(server, panel, range) {
  const found = [];
  for (const target of panel.targets) {
    for (const { metric, values, value } of await ask(server, target, range)) {
      const name = target.legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '');
      const at = new Map((values ?? [value]).map(([time, text]) => [Math.round(time), number(text)]));
      found.push({ name, ref: target.refId, labels: metric, values: times(range).map(time => at.get(time / 1000) ?? null), last: [...at.values()].at(-1) });
    }
  }
  return found;
}

/** The steps in milliseconds. */
export function times({ from, to, step }) {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => (from + n * step) * 1000);
}

export function frame(one, config, range) {
  return createDataFrame({ refId: one.ref, name: one.name, fields: [
    { name: 'Time', type: FieldType.time, config: {}, values: times(range) },
    { name: 'Value', type: FieldType.number, labels: one.labels, config, values: one.values },
  ] });
}
