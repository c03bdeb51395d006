// The exit survey: asked once, answered by anybody with any means, in their language, in the shop's colours.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { addsALamp, enter, leavesByTheTop, openShop, sent, stored } from './corner-shop.mjs';
import { shoot, startBrowser, until, violations } from './harness.mjs';

let browser;
let place;
let page;
before(async () => {
  [browser, place] = await Promise.all([startBrowser(), openShop()]);
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

const dialog = () => page.getByRole('dialog');
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement.shadowRoot?.activeElement ?? document.activeElement;
    // Between the last control and the first the focus is with the browser itself.
    if (element === document.body) return 'the browser';
    return `${element.localName} ${element.type ?? ''} ${element.value || element.textContent}`.trim();
  });

/** With a lamp in the cart, on the page of the cart. */
async function atTheCart(options) {
  page = await enter(browser, place, options);
  const id = await addsALamp(page);
  await page.goto(`${place.origin}/cart.html`);
  await sent(page);
  return id;
}

async function asked(wish) {
  await page.evaluate((wish) => window.cartwake('survey', wish), wish);
  await dialog().waitFor();
}

const cartOf = (id, is) => until('the cart is as expected', async () => {
  const cart = await place.service.cart(id);
  return cart && is(cart) && cart;
});

test('it is answered by keyboard alone, and the focus goes nowhere else', async () => {
  const id = await atTheCart();
  await page.getByLabel('Coupon').focus();
  await asked();
  assert.match(await dialog().evaluate((d) => d.getRootNode().getElementById(d.getAttribute('aria-labelledby')).textContent), /What keeps you/);
  const met = new Set();
  for (let n = 0; n < 12; n += 1) {
    met.add(await focused());
    await page.keyboard.press('Tab');
  }
  assert.ok(![...met].some((name) => /Coupon|Check out|Returns/.test(name)), [...met].join('\n'));
  await page.getByRole('radio').first().focus();
  for (let n = 0; n < 20 && !(await focused()).endsWith('other'); n += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /^textarea/);
  await page.keyboard.type('The lamp is too bright');
  await page.keyboard.press('Tab');
  assert.match(await focused(), /^button submit Send/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('status').waitFor();
  assert.match(await focused(), /Close$/);
  await page.keyboard.press('Enter');
  await dialog().waitFor({ state: 'detached' });
  assert.match(await focused(), /^input/, 'the focus is back where it was');
  const cart = await cartOf(id, (cart) => cart.reason !== null);
  assert.deepEqual([cart.reason.code, cart.reason.source], ['other', 'reported']);
});

test('Esc takes it away, and it is not asked again for this cart', async () => {
  const id = await atTheCart();
  await asked();
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  await page.evaluate(() => window.cartwake('survey'));
  await leavesByTheTop(page);
  await page.reload();
  await sent(page);
  await page.evaluate(() => window.cartwake('survey'));
  await leavesByTheTop(page);
  assert.equal(await dialog().count(), 0);
  assert.equal((await place.service.cart(id)).reason, null);
  assert.equal(JSON.parse(await stored(page)).asked, 1);
});

test('who leaves by the top of the window is asked, where the shop says so', async () => {
  await atTheCart();
  await leavesByTheTop(page);
  await dialog().waitFor();
  await page.getByRole('button', { name: 'Not now' }).click();
  await dialog().waitFor({ state: 'detached' });
});

test('without a cart, nobody is asked', async () => {
  page = await enter(browser, place);
  await page.evaluate(() => window.cartwake('survey'));
  await leavesByTheTop(page);
  await page.goto(`${place.origin}/cart.html`);
  assert.equal(await dialog().count(), 0);
});

test('"I do not want this" ends the cart, with the reason if there is one, and empties the shop\'s', async () => {
  const id = await atTheCart();
  await asked();
  await page.getByRole('radio', { name: 'It is too expensive for me' }).check();
  await page.getByRole('button', { name: 'I do not want these items any more' }).click();
  await page.getByRole('button', { name: 'Close' }).click();
  const cart = await cartOf(id, (cart) => cart.state === 'dismissed');
  assert.equal(cart.reasons[0].code, 'price_too_high');
  assert.equal(await page.locator('#lines li').count(), 0);
  assert.equal(await page.evaluate(() => sessionStorage.getItem('cart')), null);
});

test('the answers come in another order each time, and the order is told', async () => {
  await atTheCart();
  const orders = await page.evaluate(async (address) => {
    const { open } = await import(address);
    return Array.from({ length: 30 }, () => {
      let told;
      const close = open({ stage: 'cart', guard: (f) => f, shown() {}, dismiss() {}, reason: (code, comment, shown) => (told = shown) });
      const { shadowRoot } = document.querySelector('[data-cartwake]');
      const seen = [...shadowRoot.querySelectorAll('input')].map((input) => input.value);
      shadowRoot.querySelector('input').click();
      shadowRoot.querySelector('.main').click();
      close();
      document.querySelector('[data-cartwake]').remove();
      return { seen, told };
    });
  }, `${place.service.api}/widget/survey.js`);
  for (const { seen, told } of orders) {
    assert.deepEqual(told, seen);
    assert.equal(seen.at(-1), 'other');
  }
  assert.ok(new Set(orders.map(({ seen }) => seen[0])).size > 2, 'the first one changes');
  assert.equal(new Set(orders.map(({ seen }) => [...seen].sort().join())).size, 1, 'the set does not');
});

test('a shop chooses the answers and the words', async () => {
  const id = await atTheCart();
  await asked({ options: ['coupon_rejected', 'support_unavailable'], texts: { title: 'Wait!', coupon_rejected: 'Bad code', support_unavailable: 'No help' } });
  assert.deepEqual((await page.getByRole('radio').evaluateAll((all) => all.map((radio) => radio.value))).sort(), ['coupon_rejected', 'other', 'support_unavailable']);
  await page.getByRole('radio', { name: 'Bad code' }).check();
  await page.getByRole('button', { name: 'Send' }).click();
  await cartOf(id, (cart) => cart.reason?.code === 'coupon_rejected');
});

test('it speaks five languages, each to the end', async () => {
  await atTheCart();
  const words = await page.evaluate(async (address) => {
    const { open } = await import(address);
    const found = {};
    for (const language of ['en', 'de-AT', 'fr', 'es-MX', 'it', 'tlh']) {
      for (const stage of ['cart', 'payment']) {
        open({ stage, language, guard: (f) => f, shown() {}, dismiss() {}, reason() {} });
        const host = document.querySelector('[data-cartwake]');
        const dialog = host.shadowRoot.querySelector('dialog');
        const labels = [...dialog.querySelectorAll('legend,label,button')].map((e) => e.textContent);
        found[`${language} ${stage}`] = { lang: host.lang, labels };
        host.remove();
      }
    }
    return found;
  }, `${place.service.api}/widget/survey.js`);
  assert.equal(words['tlh cart'].lang, 'en');
  const titles = new Set();
  for (const [name, { lang, labels }] of Object.entries(words)) {
    assert.ok(name.startsWith(lang) || name.startsWith('tlh'), name);
    titles.add(labels[0]);
    assert.equal(labels.length, name.endsWith('cart') ? 14 : 16, name);
    // A code where its words are missing would show as it is.
    for (const label of labels) assert.doesNotMatch(label, /_|undefined/, name);
  }
  assert.equal(titles.size, 5);
});

for (const colorScheme of ['light', 'dark']) {
  for (const [device, viewport] of [['a desk', { width: 1000, height: 800 }], ['a phone', { width: 320, height: 568 }]]) {
    test(`it is easy to use on ${device} in the ${colorScheme}`, async () => {
      await atTheCart({ colorScheme, viewport, reducedMotion: 'reduce' });
      await asked();
      await page.getByRole('radio', { name: 'Something else' }).check();
      await shoot(page, `survey-${device.slice(2)}-${colorScheme}`);
      assert.deepEqual(await violations(page), []);
      const box = await dialog().boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= viewport.width && box.height <= viewport.height, JSON.stringify(box));
      const { animation, overflow } = await dialog().evaluate((d) => ({
        animation: getComputedStyle(d).animationName,
        overflow: d.scrollWidth > d.clientWidth,
      }));
      assert.deepEqual({ animation, overflow }, { animation: 'none', overflow: false });
      await page.getByRole('button', { name: 'Send' }).click();
      assert.deepEqual(await violations(page), []);
    });
  }
}

test('it takes the colours of the shop', async () => {
  await atTheCart({ reducedMotion: 'reduce' });
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(':root{--cartwake-background:#102030;--cartwake-color:#fff;--cartwake-accent:#fc0;--cartwake-accent-color:#000}');
    document.adoptedStyleSheets = [sheet];
  });
  await asked();
  await shoot(page, 'survey-themed');
  const colors = await dialog().evaluate((d) => [d, d.querySelector('.main')].map((e) => getComputedStyle(e).backgroundColor));
  assert.deepEqual(colors, ['rgb(16, 32, 48)', 'rgb(255, 204, 0)']);
  assert.deepEqual(await violations(page), []);
});

test('when it cannot be loaded, the page goes on without', async () => {
  const id = await atTheCart();
  await page.route('**/widget/survey.js', (route) => route.abort());
  await page.evaluate(() => window.cartwake('survey'));
  await page.evaluate(() => window.cartwake('signal', 'coupon_rejected'));
  await cartOf(id, (cart) => cart.signals.some((signal) => signal.kind === 'coupon_rejected'));
  assert.equal(await dialog().count(), 0);
  assert.ok(!JSON.parse(await stored(page)).asked, 'and asks another time');
});
