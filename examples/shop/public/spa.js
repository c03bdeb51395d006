// The same shop as an application: one page, whose address changes by the history API. The snippet reads the stage from
// the paths in its `data-stages`.

import { PRODUCTS, askConsent, cart, cartwake, change, pay } from './store.js';

const main = document.querySelector('main');

function show(title, ...content) {
  const heading = document.createElement('h1');
  heading.textContent = title;
  main.replaceChildren(heading, ...content);
}

function button(text, onclick) {
  const made = document.createElement('button');
  made.textContent = text;
  made.onclick = onclick;
  return made;
}

function go(path) {
  history.pushState(null, '', path);
  draw();
}

const VIEWS = {
  '/spa/': () => show('Things', ...PRODUCTS.map(({ product_id, title }) => button(`Add ${title}`, () => change(({ lines }) => (lines[product_id] = 1))))),
  '/spa/cart': () => show('Cart', `${Object.keys(cart().lines).length} in the cart. `, button('Check out', () => go('/spa/contact'))),
  '/spa/contact': () => show('Contact', button('On to shipping', () => {
    change((now) => (now.email = 'ann@example.com'));
    go('/spa/shipping');
  })),
  '/spa/shipping': () => {
    cartwake('signal', { kind: 'shipping_quoted', lowest_minor: 490, rates: 1 });
    show('Shipping', button('On to payment', () => go('/spa/payment')));
  },
  '/spa/payment': () => show('Payment', button('Pay', async () => {
    if (await pay('4111111111111111')) {
      cartwake('ordered');
      go('/spa/thank-you');
    }
  })),
  '/spa/thank-you': () => show('Thank you'),
  '/spa/returns': () => show('Returns'),
};

const draw = () => (VIEWS[location.pathname] ?? VIEWS['/spa/'])();

document.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link) return;
  event.preventDefault();
  go(link.pathname);
});
addEventListener('popstate', draw);
askConsent();
draw();
