// Live carts, the one that is looked at next first, and what is known of one of them. Nothing personal is shown.

import { get } from './client.js';
import { dialog, el, empty, failed, loading, show, table, tag } from './dom.js';
import { at, away, count, money } from './format.js';
import { event, state, word } from './words.js';

const SHOWN = 12;

/** How many pages are turned for a shop: where few carts are wanted among many, a page can be short and not the last. */
const PAGES = 5;

async function ofShop(shop, wanted) {
  const found = [];
  let cursor;
  for (let page = 0; page < PAGES && found.length < SHOWN; page += 1) {
    const { carts, next_cursor: next } = await get('/v1/carts', { shop, state: wanted, limit: SHOWN, cursor });
    found.push(...carts);
    if (!next) break;
    cursor = next;
  }
  return found;
}

/** The carts that are looked at next, of all these shops. */
export async function read(shops, wanted) {
  const found = await Promise.all(shops.map((shop) => ofShop(shop, wanted)));
  return found.flat().sort((a, b) => a.next_wake_at.localeCompare(b.next_wake_at)).slice(0, SHOWN);
}

/** What is waited for, in words. */
function waits(cart, now) {
  const when = away(cart.next_wake_at, now);
  if (cart.stalls_at && cart.next_wake_at === cart.stalls_at) return `counts as left ${when}`;
  if (cart.next_reminder) return `reminder ${cart.next_reminder.step + 1} ${when}`;
  return `forgotten ${when}`;
}

const worth = (cart) => (cart.totals.total_minor ?? cart.items.reduce((sum, item) => sum + (item.unit_price_minor ?? 0) * item.quantity, 0));

export function draw(node, carts, { now, picker }) {
  const list = carts.length === 0
    ? empty('No cart here now', 'Carts show from their first write to the end of their retention.')
    : table('Carts', [{ text: 'Cart' }, { text: 'State', class: 'wide-only' }, { text: 'Stage', class: 'wide-only' }, { text: 'Reason', class: 'wide-only' }, { text: 'Value', class: 'num' }, { text: 'Last seen', class: 'wide-only' }, { text: 'Next' }],
      carts.map((cart) => {
        const [kind, name] = state(cart.state);
        return [
          el('button', { type: 'button', class: 'link', onclick: () => open(cart, now) }, cart.cart_id), tag(kind, name), word(cart.stage),
          cart.reason ? word(cart.reason.code) : '–', money(worth(cart), cart.currency), away(cart.last_activity_at, now), waits(cart, now),
        ];
      }));
  show(node, picker, list);
}

const pairs = (rows) => el('dl', { class: 'facts' }, rows.filter(([, value]) => value).map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))));

/** Everything about a cart that says why it was, or was not, reminded of. */
async function open(cart, now) {
  const body = el('div');
  loading(body, 6);
  dialog(`Cart ${cart.cart_id}`, body);
  const place = { shop: cart.shop };
  const id = encodeURIComponent(cart.cart_id);
  try {
    const [full, sent, told] = await Promise.all([
      get(`/v1/carts/${id}`, place), get('/v1/deliveries', { ...place, cart_id: cart.cart_id }),
      get(`/v1/carts/${id}/explain`, place),
    ]);
    show(body, about(full, now), reasons(full), explained(told), deliveries(sent.deliveries));
  } catch (fault) {
    show(body, failed(fault, () => open(cart, now)));
  }
}

function about(cart, now) {
  return pairs([
    ['State', tag(...state(cart.state))], ['Stage', word(cart.stage)], ['Worth', money(worth(cart), cart.currency)],
    ['Lines', count(cart.items.length)], ['Begun', at(cart.created_at)], ['Last seen', at(cart.last_activity_at)],
    ['Abandoned', cart.abandonments > 0 && `${count(cart.abandonments)} ×, last ${at(cart.last_abandonment?.abandoned_at)}`],
    ['Reminders so far', count(cart.reminders.length)], ['Next', waits(cart, now)], ['Looked at again', at(cart.next_wake_at)],
  ]);
}

function reasons(cart) {
  if (cart.reasons.length === 0) return null;
  const row = (reason) => el('li', null, el('time', null, at(reason.at)), `${word(reason.code)} – ${word(reason.source).toLowerCase()}${reason.confidence < 100 ? `, ${reason.confidence} % sure` : ''}`);
  return el('div', null, el('h3', null, 'Why it was left'), el('ol', { class: 'trail' }, cart.reasons.map(row)));
}

/** The service's own account of its decisions, in its own words. */
function explained({ summary, story }) {
  const row = (entry) => el('li', null, el('time', null, at(entry.at)), entry.says);
  return el('div', null, el('h3', null, 'What was decided, and why'), el('p', null, summary), el('ol', { class: 'trail' }, story.map(row)));
}

function deliveries(rows) {
  if (rows.length === 0) return null;
  return el('div', null, el('h3', null, 'Deliveries'), table('Deliveries of this cart', [{ text: 'Event' }, { text: 'Endpoint' }, { text: 'Status' }, { text: 'Why' }, { text: 'Attempts', class: 'num' }],
    rows.map((one) => [event(one.type), one.endpoint ?? '–', tag(...state(one.status)), one.why ? word(one.why) : '–', count(one.attempt_count ?? 0)])));
}
