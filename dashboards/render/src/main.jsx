// The page of one picture. It draws, judges, and tells the judgement to whoever served it.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { createTheme, ThemeContext } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import uplot from 'uplot/dist/uPlot.min.css';
import { pictures, WIDTH } from './layout';
import { range as chosen } from './prometheus';
import { Panel } from './panel';
import { problems } from './verdict';

const parameters = new URLSearchParams(location.search), theme = createTheme({ colors: { mode: 'dark' } });
document.head.append(Object.assign(document.createElement('style'), { textContent: uplot }));
const tell = body => fetch('/verdict', { method: 'POST', body: JSON.stringify(body) });
const failed = [];
addEventListener('error', event => failed.push(String(event.error ?? event.message)));

const [board, name] = [parameters.get('board'), parameters.get('picture')];
const dashboard = await (await fetch(`/${board}.json`)).json();
const picture = pictures(board, dashboard).find(one => one.name === name), range = chosen(parameters);

await document.fonts.load('12px Inter').catch(() => {});

let left = picture.places.length;
function done() {
  left -= 1;
  if (left === 0) setTimeout(judge, 1000, 12);
}
/** Sizes are known, and canvases painted, some frames after the data has come: on a busy machine that takes a while. */
function judge(tries) {
  const found = [...failed, ...problems()];
  if (found.length && tries > 1) setTimeout(judge, 1000, tries - 1);
  else tell(found);
}
const style = { position: 'relative', width: WIDTH, height: picture.height, background: theme.colors.background.canvas, color: theme.colors.text.primary };
createRoot(document.getElementById('root')).render(<ThemeContext.Provider value={theme}>
  <GlobalStyles isExtensionSidebarOpen={false} hackNoBackdropBlur={true} />
  <div style={style}>
    <div style={{ position: 'absolute', left: 12, top: 8, fontSize: 16 }}>{picture.title}</div>
    {picture.places.map(place => <Panel key={place.panel.id} {...{ place, range, theme, done }} server={parameters.get('server')} />)}
  </div>
</ThemeContext.Provider>);
