// The snippet in the example shop: what cartwake knows of a shopper in the end, and what it must never know.
//
// Every page of the shop has a strict content security policy and demands trusted types; a refusal or an exception
// fails the test that met it.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import { addsALamp, cartId, enter, goesToPayment, kinds, leavesByTheTop, openShop, pays, sent, stored } from './corner-shop.mjs';
import { startBrowser, until } from './harness.mjs';

const SIZE_MAX = 6 * 1024;

let browser;
let place;
let page;
before(async () => {
  [browser, place] = await Promise.all([startBrowser(), openShop({ config: '[telemetry]\nlog_level = "debug"' })]);
});
after(async () => {
  await browser?.close();
  await place?.end();
});
afterEach(async () => {
  const faults = page?.faults ?? [];
  await page?.context().close();
  page = undefined;
  assert.deepEqual(faults, []);
});

const comes = async (options) => (page = await enter(browser, place, options));
const cartOf = (id, is, what = 'the cart is as expected') =>
  until(what, async () => {
    const cart = await place.service.cart(id);
    return cart && is(cart) && cart;
  });

test('a shopper who browses, adds, ships, fails to pay and says why is known step by step', async () => {
  await comes();
  const id = await addsALamp(page);
  await goesToPayment(page);
  await pays(page, '4000000000000002');
  await page.getByText('That did not work').waitFor();
  await leavesByTheTop(page);
  await page.getByRole('radio', { name: 'My way to pay is missing' }).check();
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('dialog').getByRole('status').waitFor();
  await page.close({ runBeforeUnload: false });

  const cart = await cartOf(id, (cart) => cart.reasons.length > 0 && kinds(cart).includes('payment_failed'));
  assert.deepEqual(cart.stages, ['browse', 'cart', 'contact', 'shipping', 'payment']);
  assert.equal(cart.stage, 'payment');
  assert.deepEqual(cart.items.map(({ product_id, quantity }) => [product_id, quantity]), [['lamp', 1]]);
  assert.equal(cart.totals.total_minor, 4900 + 490);
  assert.equal(cart.shopper.email, 'kim@example.com');
  assert.deepEqual(cart.consent.map(({ channel, status }) => [channel, status]), [['email', 'granted']]);
  for (const kind of ['shipping_quoted', 'payment_failed', 'exit_intent']) assert.ok(kinds(cart).includes(kind), kind);
  assert.deepEqual([cart.reason.code, cart.reason.source], ['payment_method_missing', 'reported']);
  assert.ok(!place.service.log.includes(place.service.keys.browser), 'the key is in no log line');
  assert.ok(!place.service.log.includes('kim@example.com'), 'nobody is in a log line');
});

test('a cart that is bought is closed by the shop and not touched again', async () => {
  await comes();
  const id = await addsALamp(page);
  await goesToPayment(page);
  await pays(page, '4111111111111111');
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
  await cartOf(id, (cart) => cart.state === 'converted');
  await sent(page);
  assert.equal(JSON.parse(await stored(page)).known, 0);
  await page.goto(place.origin);
  const next = await addsALamp(page);
  assert.notEqual(next, id);
  await cartOf(next, (cart) => cart.state === 'active');
});

for (const [said, consent] of [['nothing is said', null], ['the answer is no', 'no']]) {
  test(`while ${said}, nothing is sent and nothing is stored`, async () => {
    await comes({ consent });
    const id = await addsALamp(page);
    await page.getByRole('link', { name: 'Returns' }).click();
    await page.goto(`${place.origin}/cart.html`);
    await page.evaluate(() => window.cartwake('signal', 'coupon_rejected'));
    await leavesByTheTop(page);
    await page.evaluate(() => window.cartwake('survey'));
    await page.evaluate(() => dispatchEvent(new Event('pagehide')));
    assert.equal(await stored(page), null);
    assert.equal(await page.getByRole('dialog').count(), 0);
    assert.deepEqual(page.told, []);
    assert.equal(await place.service.cart(id), null);
    assert.deepEqual(await page.context().cookies(), []);
  });
}

test('what the shop told before the answer counts once it is yes, and is gone once it is withdrawn', async () => {
  await comes({ consent: null });
  const id = await addsALamp(page);
  await page.getByRole('button', { name: 'Yes' }).click();
  await cartOf(id, (cart) => cart.items.length === 1);
  await sent(page);
  await page.evaluate(() => window.cartwake('consent', false));
  assert.equal(await stored(page), null);
  const told = page.told.length;
  await page.evaluate(() => window.cartwake('signal', 'coupon_rejected'));
  await page.reload({ waitUntil: 'commit' });
  await page.evaluate(() => localStorage.setItem('consent', 'no'));
  assert.equal(page.told.length, told);
});

test('what happens without a network arrives with it, once', async () => {
  await comes();
  const id = await addsALamp(page);
  await sent(page);
  await page.context().setOffline(true);
  await page.evaluate(() => {
    window.cartwake('stage', 'payment');
    window.cartwake('signal', 'coupon_rejected');
  });
  await until('a try has failed', async () => JSON.parse(await stored(page)).tries > 0);
  assert.equal(kinds(await place.service.cart(id)).length, 0);
  // Another page takes over what this one could not send.
  await page.evaluate(() => window.stop());
  await page.context().setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event('online')));
  const cart = await cartOf(id, (cart) => cart.stage === 'payment' && kinds(cart).length > 0);
  await sent(page);
  assert.deepEqual(kinds(cart), ['coupon_rejected']);
  assert.equal(await page.evaluate(() => JSON.parse(localStorage.getItem('cartwake')).tries), 0);
});

test('an answer that is lost is asked for again, and the write is made once', async () => {
  await comes();
  let lost = 0;
  await page.route('**/v1/browser', async (route) => {
    if (lost > 0) return route.continue();
    lost += 1;
    await route.fetch();
    return route.abort();
  });
  const id = await addsALamp(page);
  await page.evaluate(() => window.cartwake('signal', 'coupon_rejected'));
  await until('the answer is lost', () => lost);
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await sent(page);
  assert.deepEqual(kinds(await place.service.cart(id)), ['coupon_rejected']);
});

test('the shop sells while cartwake is down, and cartwake hears of it later', async () => {
  await comes();
  const id = await addsALamp(page);
  await sent(page);
  await place.service.stop();
  await goesToPayment(page);
  await pays(page, '4000000000000002');
  await page.getByText('That did not work').waitFor();
  const tries = page.told.length;
  assert.ok(tries < 12, `${tries} requests`);
  const kept = JSON.parse(await stored(page));
  assert.ok(kept.queue.length > 3 && kept.queue.length <= 60, `${kept.queue.length} kept`);
  await place.service.start();
  await page.reload();
  await page.evaluate(() => dispatchEvent(new Event('online')));
  const cart = await cartOf(id, (cart) => cart.stage === 'payment' && kinds(cart).includes('payment_failed'));
  assert.equal(cart.shopper.email, 'kim@example.com');
});

test('a service that hangs holds up no page', async () => {
  place.service.child.kill('SIGSTOP');
  try {
    await comes({ waitUntil: 'domcontentloaded' });
    await addsALamp(page);
    await goesToPayment(page);
    await pays(page, '4000000000000002');
    await page.getByText('That did not work').waitFor();
  } finally {
    place.service.child.kill('SIGCONT');
  }
});

test('an application is followed by its paths, and its history is left alone', async () => {
  await comes({ at: '/spa/' });
  await page.getByRole('button', { name: 'Add Mug' }).click();
  const id = await cartId(page);
  await page.getByRole('link', { name: 'Returns' }).click();
  await page.getByRole('heading', { name: 'Returns' }).waitFor();
  await cartOf(id, (cart) => kinds(cart).includes('page_viewed'));
  const isAt = (stage) => until(`the stage is ${stage}`, async () => JSON.parse(await stored(page)).stage === stage);
  await page.getByRole('link', { name: 'Cart' }).click();
  await isAt('cart');
  for (const [name, stage] of [['Check out', 'contact'], ['On to shipping', 'shipping'], ['On to payment', 'payment']]) {
    await page.getByRole('button', { name }).click();
    await isAt(stage);
  }
  const cart = await cartOf(id, (cart) => cart.stage === 'payment');
  assert.deepEqual(cart.stages, ['browse', 'cart', 'contact', 'shipping', 'payment']);
  const native = await page.evaluate(() =>
    [history.pushState, history.replaceState, fetch, XMLHttpRequest.prototype.send].map((f) => /native code/.test(f.toString())),
  );
  assert.deepEqual(native, [true, true, true, true]);
  assert.deepEqual(await page.evaluate(() => [window.onerror, window.onunhandledrejection, document.onvisibilitychange]), [null, null, null]);
  await page.getByRole('button', { name: 'Pay' }).click();
  await cartOf(id, (cart) => cart.state === 'converted');
});

test('errors of the shop and refused fields are seen, and nothing that was typed', async () => {
  await comes();
  const id = await addsALamp(page);
  await page.goto(`${place.origin}/contact.html`);
  await page.getByLabel('E-mail', { exact: true }).fill('my secret');
  await page.getByRole('button', { name: 'On to shipping' }).click();
  await page.goto(`${place.origin}/payment.html`);
  await pays(page, '4000000000000500');
  await page.getByText('That did not work').waitFor();
  const cart = await cartOf(id, (cart) => kinds(cart).includes('field_rejected') && kinds(cart).includes('error_shown'));
  assert.ok(!kinds(cart).includes('payment_failed'));
  const bodies = page.told.map((told) => told.postData()).join('\n');
  assert.match(bodies, /"kind":"error_shown","where":"request","status":502/);
  assert.match(bodies, /"field":"email"/);
  assert.doesNotMatch(bodies, /my secret|4000000000000500/);
});

test('what leaves with the page goes by beacon where fetch cannot outlive it, with the key in no address and no header', async () => {
  await comes();
  await page.addInitScript(() => {
    delete Request.prototype.keepalive;
    const { sendBeacon } = Navigator.prototype;
    Navigator.prototype.sendBeacon = function (address, text) {
      const sent = sendBeacon.call(this, address, text);
      sessionStorage.setItem('beacon', JSON.stringify({ address, sent, text }));
      return sent;
    };
  });
  await page.reload();
  const id = await addsALamp(page);
  await page.goto(`${place.origin}/returns.html`);
  await cartOf(id, (cart) => cart.items.length === 1);
  const beacon = JSON.parse(await page.evaluate(() => sessionStorage.getItem('beacon')));
  assert.deepEqual([beacon.address, beacon.sent], [`${place.service.api}/v1/browser`, true]);
  assert.equal(JSON.parse(beacon.text).key, place.service.keys.browser);
  await sent(page);
  assert.ok(page.told.length > 0);
  for (const told of page.told) {
    assert.equal(told.url(), `${place.service.api}/v1/browser`);
    assert.equal(told.method(), 'POST', 'there is no preflight');
    assert.equal(told.headers().authorization, undefined);
  }
});

test('a page without a line of script writes its cart into itself', async () => {
  await comes({ consent: null, at: '/written.html' });
  const known = await cartOf('c-written', (cart) => kinds(cart).includes('page_viewed'));
  assert.equal(known.stage, 'shipping');
  assert.equal(known.items[0].quantity, 2);
  assert.match(page.told.map((told) => told.postData()).join(), /"page":"product","product_id":"mug"/);
  const told = page.told.length;
  await page.reload();
  await sent(page);
  const bodies = page.told.slice(told).map((request) => request.postData()).join('\n');
  assert.doesNotMatch(bodies, /"put"|"items"/, 'an unchanged cart is not told again');
});

test('what is removed from the cart is seen', async () => {
  await comes();
  await addsALamp(page);
  await page.getByRole('button', { name: 'Add Mug' }).click();
  const id = await cartId(page);
  await page.getByRole('link', { name: 'Cart' }).click();
  await page.getByRole('button', { name: 'Remove Mug' }).click();
  const cart = await cartOf(id, (cart) => cart.items.length === 1 && kinds(cart).includes('item_removed'));
  assert.equal(cart.items[0].product_id, 'lamp');
});

test('an id that no cart can have loses nothing else', async () => {
  await comes();
  const id = await addsALamp(page);
  await page.evaluate(() => window.cartwake('cart', { id: 'a b', currency: 'EUR', items: [{ product_id: 'p', quantity: 1 }] }));
  await page.evaluate(() => window.cartwake('cart', { id: 42, currency: 'EUR', items: [{ product_id: 'p', quantity: 1 }] }));
  await cartOf('42', (cart) => cart.items.length === 1);
  await cartOf(id, (cart) => cart.items.length === 1);
});

test('calls that make no sense throw nothing and send nothing', async () => {
  await comes();
  await page.evaluate(() => {
    const odd = { get currency() { throw new Error('a shop of traps'); } };
    for (const call of [[], ['nothing'], ['cart'], ['cart', null], ['cart', odd], ['signal'], ['stage'], ['reason'], ['id'], ['survey', 7]]) {
      window.cartwake(...call);
    }
  });
  assert.deepEqual(page.told, []);
});

function download(path, headers) {
  return new Promise((resolve, reject) => {
    const ask = request(place.service.api + path, { headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, bytes: Buffer.concat(parts).length }));
    });
    ask.on('error', reject).end();
  });
}

test('the snippet and the survey are each below 6 KB on the wire, and are not sent twice', async (context) => {
  for (const path of ['/widget.js', '/widget/survey.js']) {
    const { headers, bytes } = await download(path, { 'accept-encoding': 'gzip, deflate, br' });
    context.diagnostic(`${path}: ${bytes} bytes compressed`);
    assert.equal(headers['content-encoding'], 'gzip');
    assert.ok(bytes > 1000 && bytes < SIZE_MAX, `${path}: ${bytes}`);
    assert.match(headers['cache-control'], /public, max-age=\d+/);
    const again = await download(path, { 'accept-encoding': 'gzip', 'if-none-match': headers.etag });
    assert.deepEqual([again.status, again.bytes], [304, 0]);
  }
});
