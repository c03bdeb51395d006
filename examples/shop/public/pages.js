// The shop page by page: each form does its step and goes on to the next page.

import { PRODUCTS, askConsent, cart, cartwake, change, money, pay, tell, total } from './store.js';

const at = (selector) => document.querySelector(selector);

function element(tag, text, onclick) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (onclick) made.onclick = onclick;
  return made;
}

function onSubmit(selector, work) {
  at(selector)?.addEventListener('submit', (event) => {
    event.preventDefault();
    work(new FormData(event.target), event.target);
  });
}

for (const product of at('#products') ? PRODUCTS : []) {
  const line = element('li', `${product.title}, ${money(product.unit_price_minor)} `);
  const add = element('button', 'Add', () =>
    change(({ lines }) => (lines[product.product_id] = (lines[product.product_id] ?? 0) + 1)),
  );
  add.setAttribute('aria-label', `Add ${product.title}`);
  line.append(add);
  at('#products').append(line);
}

for (const { product_id, title } of at('#lines') ? PRODUCTS : []) {
  const count = cart().lines[product_id];
  if (!count) continue;
  const line = element('li', `${count} × ${title} `);
  const remove = element('button', 'Remove', () => {
    change(({ lines }) => delete lines[product_id]);
    line.remove();
  });
  remove.setAttribute('aria-label', `Remove ${title}`);
  line.append(remove);
  at('#lines').append(line);
}

if (at('#total')) at('#total').textContent = `Total ${money(total(cart()))}`;

onSubmit('#coupon', (_, form) => {
  form.querySelector('output').textContent = 'We do not know this code.';
  cartwake('signal', 'coupon_rejected');
});

onSubmit('#contact', (data) => {
  change((now) => Object.assign(now, { email: data.get('email'), remind: data.has('remind') }));
  location.assign('/shipping.html');
});

if (at('#shipping')) cartwake('signal', 'shipping_quoted', { lowest_minor: 490, fastest_days: 1, rates: 2 });
onSubmit('#shipping', (data) => {
  change((now) => (now.shipping = Number(data.get('rate'))));
  location.assign('/payment.html');
});

onSubmit('#payment', async (data, form) => {
  if (await pay(data.get('card'))) location.assign('/thank-you.html');
  else form.querySelector('[role=alert]').textContent = 'That did not work. Please try another card.';
});

askConsent();
if (Object.keys(cart().lines).length > 0) tell();
