// The example shop beside a cartwake of its own, and what a shopper does in it.

import { serveShop } from '../../examples/shop/serve.mjs';
import { openPage, startService, until } from './harness.mjs';

/** Both, linked: pages of `shop.origin` may use the browser key. */
export async function openShop(options = {}) {
  const shop = await serveShop();
  const service = await startService({ origins: [shop.origin], ...options }).catch(async (error) => {
    await shop.end();
    throw error;
  });
  shop.link = { cartwake: service.api, browserKey: service.keys.browser, serverKey: service.keys.server };
  return {
    shop,
    service,
    origin: shop.origin,
    async end() {
      await shop.end();
      await service.end();
    },
  };
}

/** A shopper with a page of their own, on the first page of the shop. Consent is said before anything else, or never. */
export async function enter(browser, { origin, service }, { consent = 'yes', at = '/', waitUntil = 'load', ...options } = {}) {
  const page = await openPage(browser, options);
  if (consent) await page.addInitScript((said) => localStorage.setItem('consent', said), consent);
  // What goes to cartwake beside the scripts: method, address, body.
  page.told = [];
  page.on('request', (request) => {
    if (request.url().startsWith(service.api) && request.method() !== 'GET') page.told.push(request);
  });
  await page.goto(origin + at, { waitUntil });
  return page;
}

export const cartId = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem('cart'))?.id);
export const stored = (page) => page.evaluate(() => localStorage.getItem('cartwake'));

/** Waits until the snippet has nothing left to send. */
export const sent = (page) =>
  until('everything is sent', async () => JSON.parse((await stored(page)) ?? '{}').queue?.length === 0);

export async function addsALamp(page) {
  await page.getByRole('button', { name: 'Add Desk lamp' }).click();
  return cartId(page);
}

/** The page is there, and its script runs: before that, a form is only a form. What hangs does not count. */
const arrives = (page, name) => page.waitForURL(`**/${name}.html*`, { waitUntil: 'domcontentloaded' });

export async function goesToPayment(page, { email = 'kim@example.com', remind = true } = {}) {
  await page.getByRole('link', { name: 'Cart' }).click();
  await arrives(page, 'cart');
  await page.getByRole('link', { name: 'Check out' }).click();
  await arrives(page, 'contact');
  await page.getByLabel('E-mail', { exact: true }).fill(email);
  if (remind) await page.getByLabel('Remind me').check();
  await page.getByRole('button', { name: 'On to shipping' }).click();
  await arrives(page, 'shipping');
  await page.getByLabel('In 3 days').check();
  await page.getByRole('button', { name: 'On to payment' }).click();
  await arrives(page, 'payment');
  await page.getByRole('heading', { name: 'Payment' }).waitFor();
}

export async function pays(page, card) {
  await page.getByLabel('Card').fill(card);
  await page.getByRole('button', { name: 'Pay', exact: true }).click();
}

/** The pointer leaves by the top, as it does on the way to the address bar. */
export const leavesByTheTop = (page) =>
  page.evaluate(() => document.body.dispatchEvent(new MouseEvent('mouseout', { bubbles: true, clientY: -1 })));

export const kinds = (cart) => (cart?.signals ?? []).map((signal) => signal.kind);
