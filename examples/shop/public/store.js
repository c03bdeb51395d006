// The shop's own cart, kept in the tab, and how cartwake is told of it.

export const PRODUCTS = [
  { product_id: 'mug', title: 'Mug', unit_price_minor: 1290 },
  { product_id: 'lamp', title: 'Desk lamp', unit_price_minor: 4900 },
  { product_id: 'plant', title: 'Rubber plant', unit_price_minor: 2490 },
];

// Calls wait here until the snippet is loaded; without it they wait for ever, and the shop goes on.
window.cartwake ??= function () {
  (window.cartwake.q ??= []).push(arguments);
};
export const cartwake = (...call) => window.cartwake(...call);

export function cart() {
  return JSON.parse(sessionStorage.getItem('cart')) ?? { id: `cart-${crypto.randomUUID()}`, lines: {}, shipping: 0 };
}

export function total({ lines, shipping }) {
  return shipping + PRODUCTS.reduce((sum, p) => sum + p.unit_price_minor * (lines[p.product_id] ?? 0), 0);
}

export function money(minor) {
  return new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' }).format(minor / 100);
}

/** Changes the cart, keeps it, and tells cartwake. Only what is known is told; the rest stays as it was. */
export function change(edit) {
  const now = cart();
  edit(now);
  sessionStorage.setItem('cart', JSON.stringify(now));
  tell(now);
}

export function tell({ id, lines, shipping, email, remind } = cart()) {
  const items = PRODUCTS.filter((p) => lines[p.product_id]).map((p) => ({ ...p, quantity: lines[p.product_id] }));
  cartwake('cart', {
    id,
    currency: 'EUR',
    items,
    totals: { shipping_minor: shipping, total_minor: total({ lines, shipping }) },
    checkout_url: `${location.origin}/cart.html`,
    ...(email && { shopper: { email, locale: navigator.language } }),
    ...(remind && { consent: [{ channel: 'email', status: 'granted', basis: 'opt_in', source: 'checkout checkbox' }] }),
  });
}

/** Asks once whether the shopper may be followed, and tells cartwake on every page. */
export function askConsent() {
  const said = localStorage.getItem('consent');
  if (said) return cartwake('consent', said === 'yes');
  const banner = document.createElement('section');
  banner.id = 'consent';
  banner.setAttribute('aria-label', 'Consent');
  banner.append('May we remember your cart to help you finish? ');
  for (const [answer, text] of [['yes', 'Yes'], ['no', 'No']]) {
    const button = document.createElement('button');
    button.textContent = text;
    button.onclick = () => {
      localStorage.setItem('consent', answer);
      banner.remove();
      cartwake('consent', answer === 'yes');
    };
    banner.append(button);
  }
  document.body.append(banner);
}

/** Takes the money. */
export async function pay(card) {
  const { id, email } = cart();
  const body = JSON.stringify({ card, cart_id: id, email, currency: 'EUR', total_minor: total(cart()) });
  const answer = await fetch('/api/pay', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (answer.ok) sessionStorage.removeItem('cart');
  else if (answer.status === 402) cartwake('signal', 'payment_failed', { class: 'funds', method: 'card' });
  return answer.ok;
}

// "I do not want this any more": the cart is emptied here too.
document.addEventListener('cartwake', (event) => {
  if (event.detail.dismissed === cart().id) {
    sessionStorage.removeItem('cart');
    document.querySelector('#lines')?.replaceChildren();
  }
});
