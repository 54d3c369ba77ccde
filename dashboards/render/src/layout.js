// Where panels lie: Grafana's grid has 24 columns, and rows of 30 pixels with 8 between them.
export const WIDTH = 1400;
const COLUMNS = 24, CELL = 38, GAP = 8, HEADING = 30;

/** The pictures of a dashboard: all of it, or one for each of its rows, whether folded or not. */
export function pictures(name, dashboard) {
  const rows = [];
  for (const panel of dashboard.panels) {
    if (panel.type === 'row') rows.push({ title: panel.title, panels: [...panel.panels] });
    else {
      if (!rows.length) rows.push({ title: '', panels: [] });
      rows.at(-1).panels.push(panel);
    }
  }
  return rows.map(row => {
    const slug = row.title.toLowerCase().replace(/[^a-z]+/g, '-');
    return { name: slug ? `${name}-${slug}` : name, title: row.title || dashboard.title, ...placed(row.panels) };
  });
}

function placed(panels) {
  const cell = (WIDTH - 2 * GAP) / COLUMNS, top = Math.min(...panels.map(panel => panel.gridPos.y));
  const places = panels.map(panel => {
    const { x, y, w, h } = panel.gridPos;
    return { panel, left: GAP + x * cell, top: HEADING + GAP + (y - top) * CELL, width: w * cell - GAP, height: h * CELL - GAP };
  });
  return { places, height: Math.max(...places.map(place => place.top + place.height)) + GAP };
}
