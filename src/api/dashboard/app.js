// The page: lets a person in with a key, reads the reports of the period and shop they picked, and keeps what is live
// up to date. Each card loads, shows, is empty or fails by itself.
//
// Read next: client.js for the API, then any card, for example funnel.js.

import * as carts from './carts.js';
import { Fault, download, get, key } from './client.js';
import * as deliveries from './deliveries.js';
import { byId, el, failed, loading } from './dom.js';
import { before } from './format.js';
import * as funnel from './funnel.js';
import * as lift from './lift.js';
import * as reasons from './reasons.js';
import * as recovery from './recovery.js';
import * as summary from './summary.js';
import * as system from './system.js';

const LIVE_EVERY_MS = 15_000;
const REPORTS_EVERY_MS = 120_000;
const REPORTS = ['funnel', 'reasons', 'recovery', 'lift'];
const CARDS = ['summary', ...REPORTS, 'carts', 'deliveries', 'system'];

/** What is shown now; `round` tells an answer that comes too late from one that is waited for. */
const page = { system: null, reports: null, round: 0, cartState: 'abandoned', timers: [] };

const shops = () => (byId('shop').value ? [byId('shop').value] : page.system.shops.map((one) => one.id));

/** The picked period, and the one of the same length before it. */
function periods() {
  const days = Number(byId('days').value);
  const to = page.system.now.slice(0, 10);
  const from = before(to, days - 1);
  const shop = byId('shop').value;
  return { now: { from, to, shop }, then: { from: before(from, days), to: before(from, 1), shop } };
}

function say(text, isBad = false) {
  byId('notice').textContent = text;
  byId('notice').classList.toggle('bad', isBad);
}

/** Shows a fault where the data would be; a key that is not taken leads back to the door. */
function refuse(fault, nodes, again) {
  if (fault.status === 401 || fault.status === 403) {
    leave(fault.status === 401 ? 'This key is not known here.' : 'This key is not an admin key.');
    return;
  }
  for (const node of nodes) node.replaceChildren(failed(fault, again));
}

async function readReports() {
  const round = page.round;
  const nodes = ['summary', ...REPORTS].map(byId);
  nodes.forEach((node) => loading(node));
  const { now, then } = periods();
  try {
    const read = (name, period) => get(`/v1/reports/${name}`, period);
    const [found, ...past] = await Promise.all([
      Promise.all(REPORTS.map((name) => read(name, now))), read('funnel', then), read('recovery', then),
    ]);
    if (round !== page.round) return;
    page.reports = { ...Object.fromEntries(REPORTS.map((name, place) => [name, found[place]])), before: { funnel: past[0], recovery: past[1] } };
    drawReports();
  } catch (fault) {
    if (round === page.round) refuse(fault, nodes, readReports);
  }
}

function drawReports() {
  const { reports } = page;
  if (!reports) return;
  summary.draw(byId('summary'), reports);
  funnel.draw(byId('funnel'), reports.funnel);
  reasons.draw(byId('reasons'), reports.reasons);
  recovery.draw(byId('recovery'), reports.recovery);
  lift.draw(byId('lift'), reports.lift);
}

/** The report as a file for spreadsheets. */
function save(name) {
  const { from, to, shop } = periods().now;
  download(`/v1/reports/${name}`, { from, to, shop }, `cartwake-${name}-${from}-${to}.csv`).catch((fault) => say(fault.message, true));
}

async function readCarts() {
  const round = page.round;
  loading(byId('carts'), 6);
  try {
    const found = await carts.read(shops(), page.cartState);
    if (round === page.round) carts.draw(byId('carts'), found, { now: page.system.now, picker: cartPicker() });
  } catch (fault) {
    if (round === page.round) refuse(fault, [byId('carts')], readCarts);
  }
}

function cartPicker() {
  const option = (value, text) => el('option', { value, selected: value === page.cartState }, text);
  const pick = (event) => {
    page.cartState = event.target.value;
    readCarts().then(() => byId('carts').querySelector('select')?.focus());
  };
  return el('p', { class: 'lead' }, el('label', null, 'Carts that are ', el('select', { onchange: pick },
    option('abandoned', 'abandoned'), option('active', 'active'), option('payment_pending', 'waiting for a payment'), option('converted', 'bought'), option('', 'in any state'))));
}

async function readDeliveries() {
  const round = page.round;
  loading(byId('deliveries'), 4);
  try {
    const found = await deliveries.read(shops());
    if (round === page.round) deliveries.draw(byId('deliveries'), found, { now: page.system.now, act });
  } catch (fault) {
    if (round === page.round) refuse(fault, [byId('deliveries')], readDeliveries);
  }
}

/** Does something that a person asked for, and says what came of it. */
async function act(done, call) {
  try {
    const answer = await call();
    say(typeof done === 'function' ? done(answer) : `${done}.`);
  } catch (fault) {
    say(fault.message, true);
  }
  await readSystem();
  if (page.system) await readDeliveries();
  // The button that was pressed may be gone; who uses a keyboard goes on from here.
  if (document.activeElement === document.body) byId('deliveries').focus();
}

async function readSystem() {
  const round = page.round;
  try {
    const found = await get('/v1/system');
    if (round !== page.round) return;
    page.system = found;
    system.draw(byId('system'), found, shops());
  } catch (fault) {
    if (round === page.round) refuse(fault, [byId('system')], readSystem);
  }
}

/** What changes by the minute. Nothing is asked for while nobody looks, and nothing moves under a person's hands. */
async function readLive() {
  if (document.hidden || !page.system) return;
  await readSystem();
  if (!page.system) return;
  const isAtRest = (name) => !byId(name).contains(document.activeElement);
  await Promise.all([isAtRest('carts') && readCarts(), isAtRest('deliveries') && readDeliveries()]);
}

function readAll() {
  page.round += 1;
  const query = new URLSearchParams({ days: byId('days').value, ...(byId('shop').value && { shop: byId('shop').value }) });
  history.replaceState(null, '', `?${query}`);
  system.draw(byId('system'), page.system, shops());
  return Promise.all([readReports(), readCarts(), readDeliveries()]);
}

function fillPickers() {
  const ids = page.system.shops.map((one) => one.id);
  const wanted = new URLSearchParams(location.search);
  const options = [...(ids.length > 1 ? [el('option', { value: '' }, 'All shops')] : []), ...ids.map((id) => el('option', { value: id }, id))];
  byId('shop').replaceChildren(...options);
  byId('shop').value = ids.includes(wanted.get('shop')) ? wanted.get('shop') : options[0]?.value ?? '';
  if ([...byId('days').options].some((option) => option.value === wanted.get('days'))) byId('days').value = wanted.get('days');
}

async function enter() {
  try {
    page.system = await get('/v1/system');
  } catch (fault) {
    if (fault.status === 401 || fault.status === 403) refuse(fault);
    else leave(fault instanceof Fault ? fault.message : 'Something went wrong.', false);
    return;
  }
  byId('door').hidden = true;
  byId('board').hidden = false;
  byId('pickers').hidden = false;
  fillPickers();
  CARDS.forEach((name) => loading(byId(name)));
  page.timers = [setInterval(readLive, LIVE_EVERY_MS), setInterval(() => !document.hidden && readReports(), REPORTS_EVERY_MS)];
  await readAll();
}

/** Back to the door; nothing that was shown stays. */
function leave(why = '', isForgotten = true) {
  page.round += 1;
  page.timers.forEach(clearInterval);
  Object.assign(page, { system: null, reports: null, timers: [] });
  if (isForgotten) key.forget();
  CARDS.forEach((name) => byId(name).replaceChildren());
  byId('detail').close();
  byId('door').hidden = false;
  byId('board').hidden = true;
  byId('pickers').hidden = true;
  byId('key-fault').textContent = why;
  byId('key').value = '';
  byId('key').focus();
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key.set(byId('key').value.trim());
  byId('key-fault').textContent = '';
  enter();
});
byId('forget').addEventListener('click', () => leave());
byId('detail-close').addEventListener('click', () => byId('detail').close());
byId('detail').addEventListener('click', (event) => event.target === byId('detail') && byId('detail').close());
for (const button of document.querySelectorAll('[data-sheet]')) button.addEventListener('click', () => save(button.dataset.sheet));
byId('shop').addEventListener('change', readAll);
byId('days').addEventListener('change', readAll);
document.addEventListener('visibilitychange', readLive);

let drawing = 0;
addEventListener('resize', () => {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(drawReports);
});

if (key.get()) enter();
else leave();
