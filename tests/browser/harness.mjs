// What every browser test starts with: a cartwake of its own, a shop of its own, and one Chromium.
//
// Each service runs the real binary on free ports of the loopback with an embedded store in a temporary folder, and is
// ended with it. Nothing here waits for a span of time: `until` asks until something is so. A test of another page
// needs `startService` and `openPage` only. Read next: any `*.test.mjs`.

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BINARY = path.resolve(process.env.CARTWAKE_BIN ?? path.join(ROOT, 'target/debug/cartwake'));
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

/** Asks until the answer is truthy, and gives it back. What it asks about is named in the failure. */
export async function until(what, ask, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function newKey(role) {
  const text = `cw_${role}_${randomBytes(32).toString('base64url')}`;
  return { text, hash: `sha256:${createHash('sha256').update(text).digest('hex')}` };
}

/**
 * Starts cartwake with one shop, `my-shop`, and a key of each role.
 *
 * `origins` are where the browser key works from. `clock: 'events'` makes time stand still until `advanceTo` moves it.
 * `config` is TOML that is put behind the rest: it may begin with keys of the shop and go on with tables.
 */
export async function startService({ origins = [], clock = 'system', config = '' } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'cartwake-browser-'));
  const keys = { browser: newKey('browser'), server: newKey('server'), admin: newKey('admin') };
  const file = path.join(folder, 'cartwake.toml');
  const service = {
    folder,
    keys: { browser: keys.browser.text, server: keys.server.text, admin: keys.admin.text },
    api: 'http://127.0.0.1:0',
    ops: 'http://127.0.0.1:0',
    log: '',
    start: () => start(service, file, toml),
    stop: () => stop(service),
    /** Ends it and removes what it kept. */
    async end() {
      await stop(service);
      await rm(folder, { recursive: true, force: true });
    },
    get: (where, on = service.api) => call(service, 'GET', where, undefined, on),
    post: (where, body, on = service.api) => call(service, 'POST', where, body, on),
    put: (where, body, on = service.api) => call(service, 'PUT', where, body, on),
    /** The cart as the API shows it, or null. */
    async cart(id) {
      const answer = await service.get(`/v1/carts/${encodeURIComponent(id)}`);
      return answer.status === 200 ? answer.body : null;
    },
    /** Moves an event clock. */
    advanceTo: (at) => service.post('/v1/clock', { at: new Date(at).toISOString() }, service.ops),
  };
  const host = (url) => new URL(url).host;
  const toml = () => `
[server]
listen = "${host(service.api)}"
ops_listen = "${host(service.ops)}"
clock = "${clock}"
admin_keys = ["${keys.admin.hash}"]
[store]
url = "embedded:${path.join(folder, 'data')}"
[[shop]]
id = "my-shop"
keys = [
  { role = "server", hash = "${keys.server.hash}" },
${origins.length > 0 ? `  { role = "browser", hash = "${keys.browser.hash}", allowed_origins = ${JSON.stringify(origins)} },` : ''}
]
${config}`;
  await service.start();
  return service;
}

/** Starts the process, again on the ports it had before, and waits until it says where it listens. */
async function start(service, file, toml) {
  await writeFile(file, toml());
  const child = spawn(BINARY, ['serve', '--config', file], { cwd: service.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  service.child = child;
  // Also when a test ends in a way that skips its `after`.
  process.once('exit', () => child.kill('SIGKILL'));
  let greeting = '';
  child.stdout.on('data', (text) => (greeting += text));
  child.stderr.on('data', (text) => (service.log += text));
  let failure;
  child.on('error', (error) => {
    failure = error;
    service.log += `${BINARY}: ${error.message}; build it first\n`;
  });
  const found = await until('cartwake says where it listens', () => {
    if (child.exitCode !== null || failure) throw new Error(`cartwake did not start:\n${service.log}`);
    return greeting.match(/cart API +(\S+)[\s\S]*ops +(\S+)\/metrics/);
  });
  [, service.api, service.ops] = found;
}

async function stop({ child }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

async function call(service, method, where, body, on) {
  const key = on === service.ops ? service.keys.admin : service.keys.server;
  const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
  const answer = await fetch(on + where, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const isJson = (answer.headers.get('content-type') ?? '').includes('json');
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

/** Starts the browser; one is enough for a file of tests. */
export function startBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/**
 * A page in a profile of its own. What it throws or is refused by its content security policy is kept in `page.faults`:
 * a test that expects none says so with `assert.deepEqual(page.faults, [])`.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|Trusted/i.test(message.text())) page.faults.push(message.text());
  });
  return page;
}

/** What axe-core finds against WCAG 2.2 A and AA and its best practices, one line a violation. */
export async function violations(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

/** Puts a screenshot where `CARTWAKE_SHOTS` says; nowhere by default. */
export async function shoot(page, name) {
  const folder = process.env.CARTWAKE_SHOTS;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) });
}
