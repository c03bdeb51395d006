// The harness itself: what a test of any page stands on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openPage, startBrowser, startService, violations } from './harness.mjs';

let browser;
let service;
before(async () => {
  [browser, service] = await Promise.all([startBrowser(), startService({ origins: ['https://shop.example'] })]);
});
after(async () => {
  await browser?.close();
  await service?.end();
});

test('a service answers on the ports it chose, and again on the same after a restart', async () => {
  const put = await service.put('/v1/carts/c-1', { currency: 'EUR', items: [{ product_id: 'p-1', quantity: 1 }] });
  assert.equal(put.status, 201);
  const { api } = service;
  await service.stop();
  await service.start();
  assert.equal(service.api, api);
  assert.equal((await service.cart('c-1')).items.length, 1);
  assert.equal(await service.cart('c-2'), null);
  assert.equal((await service.get('/healthz', service.ops)).status, 200);
});

test('a page shows in Chromium, and what is hard to use in it is found', async () => {
  const page = await openPage(browser);
  await page.setContent('<!doctype html><html lang="en"><title>x</title><main><h1>x</h1><img src="data:,"></main></html>');
  assert.equal(await page.textContent('h1'), 'x');
  assert.match((await violations(page)).join('\n'), /^image-alt/);
});
