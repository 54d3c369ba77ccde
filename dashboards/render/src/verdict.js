// What is wrong with the panels that have been drawn.

// A name in a legend may lose its last letters when the number beside it takes more room than usual.
const SPARE = 24;

/** One sentence for each thing that is wrong. */
export function problems() {
  return [...document.querySelectorAll('.panel')].flatMap(panel => wrong(panel).map(text => `${panel.dataset.title}: ${text}`));
}

function wrong(panel) {
  const error = panel.querySelector('.error');
  if (error) return [error.textContent];
  if (panel.querySelector('.empty')) return ['No data'];
  const found = [];
  const canvases = [...panel.querySelectorAll('canvas')];
  const drawn = panel.dataset.type === 'table' ? panel.querySelectorAll('td').length > 0
    : panel.dataset.type === 'stat' ? /\d/.test(panel.textContent.replace(panel.dataset.title, ''))
    : canvases.some(coloured);
  if (!drawn) found.push('nothing is drawn');
  for (const element of panel.querySelectorAll('*')) {
    const style = getComputedStyle(element);
    if (style.overflowY !== 'visible' && style.position !== 'absolute' && element.scrollHeight > element.clientHeight + 2 && element.clientHeight > 30)
      found.push(`cut off below, ${element.scrollHeight - element.clientHeight} pixels: ${element.textContent.slice(0, 60)}`);
    if (style.textOverflow === 'ellipsis' && element.scrollWidth > element.clientWidth + SPARE)
      found.push(`cut off at the side: ${element.textContent.slice(0, 80)}`);
  }
  return found;
}

/** Whether there is a line or an area: axes, letters and the grid are grey. */
function coloured(canvas) {
  if (!canvas.width || !canvas.height) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b, a] = data.subarray(at, at + 4);
    if (a > 40 && Math.max(r, g, b) - Math.min(r, g, b) > 60) return true;
  }
  return false;
}
