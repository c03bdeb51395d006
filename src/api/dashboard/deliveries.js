// Endpoints with their switches, and the deliveries that were given up, with a way to send them again.

import { get, post } from './client.js';
import { dialog, el, empty, failed, loading, show, table, tag, unseen } from './dom.js';
import { at, away, count } from './format.js';
import { event, state, word } from './words.js';

const SHOWN = 12;

/** Endpoints, and the dead of all these shops, the newest first. */
export async function read(shops) {
  const [all, pages] = await Promise.all([get('/v1/endpoints'), Promise.all(shops.map((shop) => get('/v1/deliveries', { shop, status: 'dead', limit: SHOWN })))]);
  const dead = pages.flatMap((page) => page.deliveries).sort((a, b) => String(b.created_at).localeCompare(String(a.created_at))).slice(0, SHOWN);
  return { endpoints: all.endpoints.filter((one) => shops.includes(one.shop)), dead };
}

/** `act(what, call)` makes the call, says what came of it, and reads again. */
export function draw(node, { endpoints, dead }, { now, act }) {
  if (endpoints.length === 0) {
    show(node, empty('No endpoint is configured', 'Events go to the [[shop.endpoint]]s of the configuration file.'));
    return;
  }
  const several = new Set(endpoints.map((one) => one.shop)).size > 1;
  const heads = [{ text: 'Endpoint' }, { text: 'Status' }, { text: 'Waiting', class: 'num wide-only' }, { text: 'Dead', class: 'num' }, { text: unseen('What to do'), class: 'num' }];
  const row = (one) => [several ? `${one.shop} / ${one.name}` : one.name, el('span', null, tag(...status(one)), one.why && el('span', { class: 'muted' }, ` ${word(one.why)}, ${away(one.since, now)}`)),
    count(one.pending), count(one.dead), switches(one, act)];
  show(node, table('Endpoints', heads, endpoints.map(row)), el('h3', { class: 'after' }, 'Given up'), deadTable(dead, { now, act }));
}

const status = (one) => (one.status === 'active' ? ['good', 'Active'] : state(one.status));

function switches(one, act) {
  const path = `/v1/endpoints/${encodeURIComponent(one.shop)}/${encodeURIComponent(one.name)}`;
  const button = (text, verb, done) => el('button', { type: 'button', class: 'small', 'aria-label': `${text} ${one.name}`, onclick: () => act(done, () => post(`${path}/${verb}`)) }, text);
  return el('div', { class: 'row end' },
    one.status === 'active' && button('Pause', 'pause', `${one.name} is paused: what is due waits until it is stale`),
    one.status === 'paused' && button('Resume', 'resume', `${one.name} is sent to again`),
    one.status !== 'disabled' && el('button', { type: 'button', class: 'small', 'aria-label': `Send a test event to ${one.name}`, onclick: () => act((answer) => `The test event of ${one.name}: ${word(answer.outcome).toLowerCase()}${answer.status ? `, answered ${answer.status}` : ''}, ${count(answer.duration_ms)} ms`, () => post(`${path}/test`)) }, 'Test'));
}

function deadTable(dead, { now, act }) {
  if (dead.length === 0) return empty('Nothing was given up', 'Every delivery arrived, waits, or was not sent on purpose.');
  const heads = [{ text: 'Event' }, { text: 'Cart', class: 'wide-only' }, { text: 'Endpoint', class: 'wide-only' }, { text: 'Why' }, { text: 'Made' }, { text: 'Attempts', class: 'num wide-only' }, { text: unseen('What to do'), class: 'num' }];
  const retry = (one) => el('button', { type: 'button', class: 'small', 'aria-label': `Retry ${event(one.type)} of cart ${one.cart_id ?? 'unknown'}`,
    onclick: () => act('The delivery is due again', () => post(`/v1/deliveries/${one.id}/retry`)) }, 'Retry');
  const row = (one) => [
    el('button', { type: 'button', class: 'link', onclick: () => open(one) }, event(one.type)), one.cart_id ?? '–', one.endpoint ?? '–',
    one.why ? word(one.why) : '–', away(one.created_at, now), count(one.attempt_count ?? 0), retry(one),
  ];
  return table('Deliveries that were given up', heads, dead.map(row));
}

/** Every attempt that is remembered, and what the receiver answered. */
async function open(delivery) {
  const body = el('div');
  loading(body, 5);
  dialog(`${event(delivery.type)} to ${delivery.endpoint ?? 'an endpoint'}`, body);
  try {
    const full = await get(`/v1/deliveries/${delivery.id}`);
    const attempt = (one) => el('li', null, el('time', null, at(one.at)), `${word(one.outcome)}${one.status ? `, answered ${one.status}` : ''}, ${count(one.duration_ms)} ms`,
      one.response?.first_bytes && el('pre', null, one.response.first_bytes));
    show(body, el('p', { class: 'note' }, el('code', null, full.id)), el('h3', null, 'Attempts'),
      (full.attempts ?? []).length > 0 ? el('ol', { class: 'trail' }, full.attempts.map(attempt)) : el('p', { class: 'muted' }, 'None is remembered.'));
  } catch (fault) {
    show(body, failed(fault, () => open(delivery)));
  }
}
