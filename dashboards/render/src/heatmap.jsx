// A heatmap of buckets. Grafana's panel plugins are in no package, so this one is drawn by hand, after its look.
import React from 'react';
import { formattedValueToString, getValueFormat } from '@grafana/data';
import { times } from './prometheus';

const ORANGES = [[127, 39, 4], [166, 54, 3], [217, 72, 1], [241, 105, 19], [253, 141, 60], [253, 174, 107], [253, 208, 162]];
const LEFT = 64, BELOW = 22, LETTER = 14;

function colour(share) {
  const at = Math.sqrt(share) * (ORANGES.length - 1), low = Math.min(ORANGES.length - 2, Math.floor(at));
  const mixed = ORANGES[low].map((value, n) => Math.round(value + (ORANGES[low + 1][n] - value) * (at - low)));
  return `rgb(${mixed})`;
}

/** What each bucket has for itself; Prometheus counts those below along. Rows that are empty all the time are left out. */
export function buckets(found) {
  const bound = one => one.labels.le === '+Inf' ? Infinity : Number(one.labels.le);
  const rows = found.map(one => ({ bound: bound(one), values: one.values })).sort((a, b) => a.bound - b.bound);
  const own = rows.map((row, n) => ({
    ...row, cells: row.values.map((value, k) => value === null ? 0 : Math.max(0, value - (n ? rows[n - 1].values[k] ?? 0 : 0))),
  }));
  const used = own.map(row => row.cells.some(cell => cell > 1e-9));
  return own.slice(Math.max(0, used.indexOf(true) - 1), used.lastIndexOf(true) + 2);
}

export function Heatmap({ panel, found, range, width, height, theme }) {
  const canvas = React.useRef();
  React.useLayoutEffect(() => {
    const context = canvas.current.getContext('2d'), rows = buckets(found), steps = times(range);
    const across = (width - LEFT) / steps.length, up = (height - BELOW) / rows.length;
    const most = Math.max(...rows.flatMap(row => row.cells));
    rows.forEach((row, n) => row.cells.forEach((cell, k) => {
      if (cell <= 1e-9) return;
      context.fillStyle = colour(cell / most);
      context.fillRect(LEFT + k * across, height - BELOW - (n + 1) * up, Math.max(1, across - 1), Math.max(1, up - 1));
    }));
    context.fillStyle = theme.colors.text.primary;
    context.font = `12px ${theme.typography.fontFamily}`;
    context.textAlign = 'right';
    const format = getValueFormat(panel.options.yAxis.unit), every = Math.ceil(LETTER / up);
    rows.forEach((row, n) => {
      const text = row.bound === Infinity ? '+Inf' : formattedValueToString(format(row.bound));
      if (n % every === 0) context.fillText(text, LEFT - 6, height - BELOW - (n + 0.5) * up + 4);
    });
    context.textAlign = 'center';
    for (const share of [0.1, 0.5, 0.9]) {
      const time = new Date(steps[Math.floor(share * (steps.length - 1))]);
      context.fillText(time.toTimeString().slice(0, 8), LEFT + share * (width - LEFT), height - 6);
    }
  }, [found, width, height]);
  return <canvas ref={canvas} width={width} height={height} />;
}
