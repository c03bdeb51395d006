// Why carts are left: what the rules found, what shoppers said, what it was worth, and how it moves.

import { bar, spark, swatch } from './chart.js';
import { data, el, empty, show, table, unseen } from './dom.js';
import { count, day, percent, sum } from './format.js';
import { word } from './words.js';

/** So many rows before the rest is summed up. */
const ROWS = 9;

export function draw(node, report) {
  if (report.abandonments === 0 && report.reasons.length === 0) {
    show(node, empty('Nobody left a cart in this period', 'A cart is abandoned when it is idle for longer than its stage allows.'));
    return;
  }
  const most = Math.max(...report.reasons.map((reason) => reason.inferred), 1);
  const hasValue = report.reasons.some((reason) => reason.abandoned.length > 0);
  const trend = (code) => report.by_day.map((one) => one.inferred.find((found) => found.reason === code)?.count ?? 0);
  const said = (reason) => reason.reported + reason.agent;
  const heads = [
    { text: 'Reason' }, { text: unseen('As a bar'), class: 'wide' }, { text: 'Found', class: 'num' }, { text: 'Share', class: 'num wide-only' }, { text: 'Said', class: 'num' },
    ...(hasValue ? [{ text: 'Cart value', class: 'num' }] : []), { text: 'By day', class: 'wide-only' },
  ];
  const row = (reason) => [
    { text: word(reason.reason), class: reason.reason === 'unknown' ? 'muted' : '' },
    { text: bar([{ value: reason.inferred_hard, class: 'f-blue' }, { value: reason.inferred_soft, class: 'f-sky' }], most), class: 'wide' },
    count(reason.inferred), percent(reason.share, 0), said(reason) > 0 ? count(said(reason)) : '–',
    ...(hasValue ? [reason.abandoned.map((amount) => sum(amount.value_minor, amount.currency)).join(', ') || '–'] : []),
    { text: spark(trend(reason.reason)), class: 'wide-only' },
  ];
  const rest = report.reasons.slice(ROWS);
  const key = [['f-blue', 'from machine signals'], ['f-sky', 'by a heuristic']];
  const numeric = (text) => ({ text, class: 'num' });
  const total = report.abandoned.map((amount) => sum(amount.value_minor, amount.currency)).join(', ');
  const list = (found) => found.map((one) => `${word(one.reason)} ${count(one.count)}`).join(', ') || '–';
  show(node,
    el('p', { class: 'lead' }, `${count(report.abandonments)} abandonments${total ? `, carts worth ${total}` : ''}. Said is what shoppers and agents told, and is not added to what was found.`),
    table('Reasons', heads, report.reasons.slice(0, ROWS).map(row)),
    rest.length > 0 && el('p', { class: 'note' }, `And ${rest.map((reason) => `${word(reason.reason).toLowerCase()} (${count(reason.inferred + said(reason))})`).join(', ')}.`),
    el('ul', { class: 'key' }, key.map(([kind, text]) => el('li', null, swatch(kind), text))),
    report.agreement.length > 0 && agreement(report.agreement),
    data('Reasons by day', [{ text: 'Day' }, numeric('Abandonments'), { text: 'Found' }, { text: 'Said' }],
      report.by_day.map((one) => [day(one.day), count(one.abandonments), list(one.inferred), list(one.said)])));
}

function agreement(rows) {
  const [agreed, all] = rows.reduce(([yes, total], one) => [yes + one.agreed, total + one.agreed + one.disagreed], [0, 0]);
  return el('p', { class: 'note' }, `Where a shopper said why as well, ${count(agreed)} of ${count(all)} found reasons agreed.`);
}
