// How far the carts that began in the period came. Every cart is counted once, so each row adds up.

import { bar, columns, swatch } from './chart.js';
import { data, el, empty, show, table, unseen } from './dom.js';
import { count, day, duration, percent, short, wholeDay } from './format.js';
import { word } from './words.js';

export function draw(node, report) {
  if (report.carts === 0) {
    show(node, empty('No cart began in this period', 'A storefront tells of one with PUT /v1/carts/{cart_id}, or with the browser snippet.'));
    return;
  }
  // Shops that tell of no visit before the cart have a browse row that only repeats the cart's.
  const stages = report.stages.filter((stage) => stage.stage !== 'browse' || stage.abandoned + stage.open + stage.ended > 0 || stage.median_seconds !== null);
  const heads = [
    { text: 'Stage' }, { text: unseen('As a bar'), class: 'wide' }, { text: 'Reached', class: 'num' }, { text: 'Went on', class: 'num' }, { text: 'Left', class: 'num' },
    { text: 'Still there', class: 'num wide-only' }, { text: 'Time to go on', class: 'num wide-only' },
  ];
  const row = (stage) => [
    word(stage.stage),
    { text: bar([{ value: stage.went_on, class: 'f-blue' }, { value: stage.abandoned, class: 'f-amber' }, { value: stage.open + stage.ended, class: 'f-sky' }], report.carts), class: 'wide' },
    count(stage.reached), percent(stage.conversion, 0), count(stage.abandoned), count(stage.open + stage.ended), duration(stage.median_seconds),
  ];
  const bought = ['Bought', { text: bar([{ value: report.bought, class: 'f-green' }], report.carts), class: 'wide' }, count(report.bought), percent(report.conversion, 0), '', '',
    duration(report.median_order_seconds)];
  const key = [['f-blue', 'went on'], ['f-amber', 'left here'], ['f-sky', 'still there, or ended'], ['f-green', 'bought']];
  const days = report.by_day.map((one) => [day(one.day), count(one.carts), ...one.reached.slice(1).map(count), count(one.abandoned), count(one.bought)]);
  const numeric = (text) => ({ text, class: 'num' });
  const chart = el('figure', null, el('figcaption', null, 'Carts by the day they began, and how many of them bought'));
  show(node,
    el('p', { class: 'lead' }, `${count(report.carts)} carts that began in the period, and how they stand now. Times are medians.`),
    table('The funnel by stage', heads, [...stages.map(row), bought]),
    el('ul', { class: 'key' }, key.map(([kind, text]) => el('li', null, swatch(kind), text))),
    report.reverted > 0 && el('p', { class: 'lead after' }, `Of the bought, ${count(report.reverted)} were refunded or cancelled.`),
    chart,
    data('The funnel by the day carts began', [{ text: 'Day' }, ...['Carts', 'Cart', 'Contact', 'Shipping', 'Payment', 'Left', 'Bought'].map(numeric)], days));
  chart.append(columns({
    width: chart.clientWidth || 500, height: 150, kind: 'f-sky', days: report.by_day.map((one) => one.day), values: report.by_day.map((one) => one.carts),
    parts: report.by_day.map((one) => one.bought), tick: short, dayText: day,
    label: `Carts by the day they began: ${count(report.carts)} in ${report.by_day.length} days, ${count(report.bought)} bought`,
    text: (place) => `${wholeDay(report.by_day[place].day)}\n${count(report.by_day[place].carts)} carts, ${count(report.by_day[place].bought)} bought`,
  }));
}
