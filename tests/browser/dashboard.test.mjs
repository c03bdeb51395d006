// The dashboard: a merchant reads why carts are left, looks at one, and sends a dead delivery again.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { openPage, shoot, startBrowser, startService, until, violations } from './harness.mjs';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const START = Date.parse('2026-03-02T08:00:00Z');
const HOUR = 3_600_000;

let browser;
let service;
let receiver;
const answers = { status: 200, seen: 0 };

before(async () => {
  receiver = createServer((request, response) => {
    request.resume().on('end', () => {
      answers.seen += 1;
      response.writeHead(answers.status, { 'content-type': 'text/plain' }).end('said the receiver');
    });
  });
  await new Promise((ready) => receiver.listen(0, '127.0.0.1', ready));
  [browser, service] = await Promise.all([startBrowser(), startService({ clock: 'events', config: endpoint() })]);
  await service.advanceTo(START);
  await aDayOfTrade();
});
after(async () => {
  await browser?.close();
  await service?.end();
  receiver?.close();
});

const endpoint = () => `
[[shop.endpoint]]
name = "mailer"
url = "http://127.0.0.1:${receiver.address().port}/hook"
secrets = ["${SECRET}"]
events = ["cart.reminder"]
allow_networks = ["127.0.0.0/8"]

[shop.program]
quiet_hours = "off"
experiment = { holdout_percent = 0 }
service = { reasons = [] }
`;

const cart = (email, at) => ({
  currency: 'EUR', stage: 'payment', items: [{ product_id: 'p-1', title: 'T-shirt', quantity: 2, unit_price_minor: 1999 }],
  totals: { subtotal_minor: 3998, total_minor: 4488 }, shopper: { email, locale: 'de-DE' },
  consent: [{ channel: 'email', status: 'granted', basis: 'opt_in' }],
  checkout_url: 'https://shop.example/checkout/1', occurred_at: new Date(at).toISOString(),
});

/** Three carts: one whose card was declined, one that is bought later, one whose reminder the receiver refuses. */
async function aDayOfTrade() {
  for (const name of ['declined', 'bought', 'refused']) await service.put(`/v1/carts/${name}`, cart(`${name}@example.com`, START));
  await service.post('/v1/carts/declined/signals', { kind: 'payment_failed', class: 'issuer_declined', at: new Date(START + 1_000).toISOString() });
  const order = { order_id: 'o-1', cart_id: 'bought', status: 'paid', currency: 'EUR', total_minor: 4488, placed_at: new Date(START + 2 * HOUR).toISOString() };
  await service.post('/v1/orders', order);
  answers.status = 400;
  await service.advanceTo(START + 5 * HOUR);
  await until('both reminders were refused', async () => (await endpoints())[0].dead === 2);
  answers.status = 200;
}

const endpoints = async () => (await service.get('/v1/endpoints', service.ops)).body.endpoints;

async function door(options) {
  const page = await openPage(browser, options);
  page.others = [];
  page.on('request', (request) => request.url().startsWith(service.ops) || page.others.push(request.url()));
  await page.goto(`${service.ops}/dashboard`);
  return page;
}

async function enter(options, key = service.keys.admin) {
  const page = await door(options);
  await page.getByLabel('Admin key').fill(key);
  await page.getByRole('button', { name: 'Open' }).click();
  return page;
}

async function opened(options) {
  const page = await enter(options);
  await page.getByText('Value that came back').waitFor();
  await page.getByRole('table', { name: 'Carts', exact: true }).waitFor();
  await page.getByRole('table', { name: 'Endpoints' }).waitFor();
  return page;
}

const card = (page, name) => page.getByRole('region', { name });

test('without a key there is a door and nothing else', async () => {
  const page = await door();
  await page.getByRole('heading', { name: 'Why carts are left' }).waitFor();
  assert.equal(await page.getByText('Funnel').count(), 0);
  assert.deepEqual(await violations(page), []);
  await shoot(page, 'dashboard-door');
});

test('a wrong key is said to be wrong, and one that may not read is told from it', async () => {
  const page = await enter({}, 'cw_admin_nobody');
  await page.getByText('This key is not known here.').waitFor();
  await page.getByLabel('Admin key').fill(service.keys.server);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('This key is not an admin key.').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  assert.deepEqual(await violations(page), []);
});

test('a merchant reads why carts are left, how far they came and what came back', async () => {
  const page = await opened();
  const reasons = card(page, 'Why they are left');
  await reasons.getByRole('row', { name: /Payment declined/ }).waitFor();
  assert.match(await reasons.textContent(), /3 abandonments/);
  assert.match(await card(page, 'How far carts come').getByRole('row', { name: /^Bought/ }).textContent(), /1/);
  assert.match(await card(page, 'What came back').textContent(), /came back alone 1 \(100%\)/);
  assert.match(await card(page, 'What the reminders changed').textContent(), /Not enough data yet/);
  assert.deepEqual([page.faults, page.others], [[], []]);
  assert.equal((await page.context().cookies()).length, 0);
});

test('the key stays in the tab over a reload, and goes when it is forgotten', async () => {
  const page = await opened();
  await page.reload();
  await page.getByText('Value that came back').waitFor();
  assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie]), [0, '']);
  await page.getByRole('button', { name: 'Forget key' }).click();
  await page.getByLabel('Admin key').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await page.getByText('Payment declined').count(), 0, 'nothing that was shown stays');
});

test('a cart tells what happened to it and names nobody', async () => {
  const page = await opened();
  await page.getByRole('button', { name: 'declined', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Cart declined' });
  await dialog.getByText(/Payment declined – inferred hard/).waitFor();
  await dialog.getByRole('table', { name: 'Deliveries of this cart' }).waitFor();
  assert.doesNotMatch(await page.content(), /example\.com/);
  assert.deepEqual(await violations(page), []);
  await shoot(page, 'dashboard-cart');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
});

test('a dead delivery is looked at, and sent again', async () => {
  const page = await opened();
  const dead = page.getByRole('table', { name: 'Deliveries that were given up' });
  await dead.getByRole('button', { name: 'Reminder' }).first().click();
  await page.getByRole('dialog').getByText('said the receiver').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Close' }).click();
  const before = answers.seen;
  await page.getByRole('button', { name: 'Retry Reminder of cart refused' }).click();
  await page.getByText('The delivery is due again.').waitFor();
  await until('the receiver has it', () => answers.seen === before + 1);
  await until('it is no longer dead', async () => (await endpoints())[0].dead === 1);
});

test('an endpoint is paused and resumed', async () => {
  const page = await opened();
  await page.getByRole('button', { name: 'Pause mailer' }).click();
  await page.getByRole('button', { name: 'Resume mailer' }).click();
  await page.getByRole('button', { name: 'Pause mailer' }).waitFor();
  assert.equal((await endpoints())[0].status, 'active');
});

test('a period without carts says so in every card', async () => {
  const empty = await startService({});
  const page = await openPage(browser);
  await page.goto(`${empty.ops}/dashboard`);
  await page.getByLabel('Admin key').fill(empty.keys.admin);
  await page.getByRole('button', { name: 'Open' }).click();
  for (const text of ['No cart began in this period', 'Nobody left a cart', 'Nothing to bring back', 'No cart here now', 'No endpoint is configured']) {
    await page.getByText(text).waitFor();
  }
  assert.deepEqual(await violations(page), []);
  await shoot(page, 'dashboard-empty');
  await empty.end();
});

test('a service that went away is said to be away, and tried again', async () => {
  const other = await startService({});
  const page = await openPage(browser);
  await page.goto(`${other.ops}/dashboard`);
  await page.getByLabel('Admin key').fill(other.keys.admin);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('No cart began in this period').waitFor();
  await other.stop();
  await page.getByLabel('Period').selectOption('7');
  await page.getByText('The service does not answer').first().waitFor();
  assert.deepEqual(await violations(page), []);
  await shoot(page, 'dashboard-away');
  await other.start();
  await card(page, 'How far carts come').getByRole('button', { name: 'Try again' }).click();
  await page.getByText('No cart began in this period').waitFor();
  await other.end();
});

for (const colorScheme of ['light', 'dark']) {
  test(`nothing is hard to use, ${colorScheme}`, async () => {
    const page = await opened({ colorScheme });
    assert.deepEqual(await violations(page), []);
    await shoot(page, `dashboard-${colorScheme}`);
  });
}

test('on a phone nothing sticks out', async () => {
  for (const width of [320, 390]) {
    const page = await opened({ viewport: { width, height: 800 }, hasTouch: true });
    const sticksOut = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(sticksOut, 0, `${width} px wide`);
    assert.deepEqual(await violations(page), []);
    await page.context().close();
  }
});

test('the first paint comes within a second', async () => {
  const page = await door();
  const paint = () => page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  assert.ok((await until('something was painted', paint)) < 1_000);
});
