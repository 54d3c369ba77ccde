// Draws all dashboards against a Prometheus: `node draw.mjs SERVER FOLDER SECONDS`. SECONDS is how far it looks back. A PNG for
// each dashboard, or for each of its rows, comes into FOLDER; what is wrong with any is printed, and is the exit code.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { pictures, WIDTH } from './src/layout.js';

// Each with the jobs that are chosen at its top: one looks into a service of one's choice.
const BOARDS = { oncall: '.+', fleet: '.+', netpoller: 'demo' };
const here = fileURLToPath(new URL('.', import.meta.url)), [server, folder, span] = process.argv.slice(2);
const to = Math.floor(Date.now() / 1000);

const { outputFiles: [page] } = await build({
  absWorkingDir: here, entryPoints: ['src/main.jsx'], bundle: true, write: false, format: 'esm', target: 'chrome120',
  conditions: ['import', 'browser'], mainFields: ['browser', 'module', 'main'], logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' }, loader: { '.css': 'text', '.svg': 'text', '.woff2': 'dataurl' },
});

let verdict;
const files = { '/': [await readFile(path.join(here, 'index.html')), 'text/html'], '/page.js': [page.contents, 'text/javascript'] };
for (const board of Object.keys(BOARDS)) files[`/${board}.json`] = [await readFile(path.join(here, '..', `${board}.json`)), 'application/json'];
const pages = createServer(async (request, response) => {
  if (request.method === 'POST') {
    let body = '';
    for await (const part of request) body += part;
    verdict = JSON.parse(body);
    return response.end();
  }
  const [body, type] = files[request.url.split('?')[0]] ?? ['', 'text/plain'];
  response.setHeader('content-type', type);
  response.end(body);
});
await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve));

const profile = await mkdtemp(path.join(tmpdir(), 'draw-'));
await mkdir(folder, { recursive: true });

/** Has Chromium take the picture; resolves to what it said if it failed. */
function shoot(board, picture) {
  const query = new URLSearchParams({ board, picture: picture.name, server, to, span, job: BOARDS[board] });
  const chromium = spawn('chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-device-scale-factor=1', '--no-proxy-server',
    `--user-data-dir=${profile}`, `--window-size=${WIDTH},${Math.ceil(picture.height)}`, '--virtual-time-budget=20000',
    `--screenshot=${path.join(folder, `${picture.name}.png`)}`, `http://127.0.0.1:${pages.address().port}/?${query}`,
  ], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 120_000, env: { ...process.env, TZ: 'UTC' } });
  let said = '';
  chromium.stderr.on('data', part => said += part);
  return new Promise(resolve => {
    chromium.on('error', error => resolve(String(error)));
    chromium.on('close', code => resolve(code === 0 ? '' : said));
  });
}

let wrong = 0, taken = 0;
for (const board of Object.keys(BOARDS)) {
  for (const picture of pictures(board, JSON.parse(files[`/${board}.json`][0]))) {
    verdict = undefined;
    const failed = await shoot(board, picture);
    const problems = failed ? [failed] : verdict ?? ['the page did not say what it thinks of itself'];
    for (const problem of problems) console.error(`${picture.name}: ${problem}`);
    wrong += problems.length;
    taken += 1;
  }
}
pages.close();
await rm(profile, { recursive: true, force: true });
console.log(`${taken} pictures in ${folder}, ${wrong} problems`);
process.exitCode = wrong ? 1 : 0;
