// A small shop with the snippet in its pages: what a storefront has to do, and what the browser tests walk through.
//
//     node examples/shop/serve.mjs --cartwake http://127.0.0.1:8080 --browser-key cw_browser_… --server-key cw_server_…
//
// The pages in `public/` are plain files; `{{cartwake}}` and `{{key}}` in them are filled in here. The one thing that
// belongs on a server is the order: `POST /api/pay` takes the money and tells cartwake with the server key. Cards that
// fail: 4000000000000002 is declined, 4000000000000500 meets a broken payment provider. Needs Node.js 20, no packages.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PUBLIC = path.join(path.dirname(fileURLToPath(import.meta.url)), 'public');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css' };
const BODY_BYTES_MAX = 64 * 1024;

/**
 * Serves the shop on the loopback. `link` may be set later, and again: `{ cartwake, browserKey, serverKey }`.
 * The content security policy is as strict as a shop's can be, so that the snippet is seen to live with it.
 */
export async function serveShop({ port = 0, link = {} } = {}) {
  const shop = { link };
  const server = createServer((req, res) => {
    answer(shop, req, res).catch((error) => {
      if (!res.headersSent) res.writeHead(error.status ?? 500);
      res.end();
    });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  shop.origin = `http://127.0.0.1:${server.address().port}`;
  shop.end = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return shop;
}

export function contentSecurityPolicy(cartwake) {
  return [
    "default-src 'none'",
    `script-src 'self' ${cartwake}`,
    `connect-src 'self' ${cartwake}`,
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

async function answer(shop, req, res) {
  const { pathname } = new URL(req.url, shop.origin);
  if (req.method === 'POST' && pathname === '/api/pay') return pay(shop, req, res);
  if (req.method !== 'GET') return res.writeHead(405).end();
  // The application has one page for all its paths.
  const name = pathname.startsWith('/spa/') ? 'spa.html' : pathname === '/' ? 'index.html' : pathname.slice(1);
  const file = path.join(PUBLIC, path.normalize(name));
  const text = file.startsWith(PUBLIC + path.sep) ? await readFile(file, 'utf8').catch(() => null) : null;
  if (text === null) return res.writeHead(404).end();
  const filled = text.replaceAll('{{cartwake}}', shop.link.cartwake).replaceAll('{{key}}', shop.link.browserKey);
  res.writeHead(200, {
    'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream',
    'content-security-policy': contentSecurityPolicy(shop.link.cartwake),
    'cache-control': 'no-store',
  });
  res.end(filled);
}

async function body(req) {
  let text = '';
  for await (const part of req) {
    text += part;
    if (text.length > BODY_BYTES_MAX) throw Object.assign(new Error('too large'), { status: 413 });
  }
  return JSON.parse(text);
}

async function pay(shop, req, res) {
  const { card, cart_id, email, currency, total_minor } = await body(req);
  const json = (status, value) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  if (card.endsWith('0002')) return json(402, { error: 'insufficient_funds' });
  if (card.endsWith('0500')) return json(502, { error: 'provider' });
  const order_id = `order-${Date.now()}`;
  const order = { order_id, cart_id, shopper: { email }, status: 'paid', currency, total_minor, event_id: order_id };
  const told = await fetch(`${shop.link.cartwake}/v1/orders`, {
    method: 'POST',
    headers: { authorization: `Bearer ${shop.link.serverKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(order),
    signal: AbortSignal.timeout(3000),
  }).catch((error) => ({ ok: false, status: error.message }));
  // A shop would keep the order and tell it later; its shopper does not wait for it.
  if (!told.ok) console.error(`cartwake was not told of ${order_id}: ${told.status}`);
  json(200, { order_id });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8000' },
      cartwake: { type: 'string', default: 'http://127.0.0.1:8080' },
      'browser-key': { type: 'string' },
      'server-key': { type: 'string' },
    },
  });
  const link = { cartwake: values.cartwake, browserKey: values['browser-key'], serverKey: values['server-key'] };
  if (!link.browserKey || !link.serverKey) {
    console.error('both --browser-key and --server-key are needed; `cartwake keys new` prints some');
    process.exit(2);
  }
  const { origin } = await serveShop({ port: Number(values.port), link });
  console.log(`the shop is at ${origin}; the browser key needs allowed_origins = ["${origin}"]`);
}
