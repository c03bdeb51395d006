// What became of the reminders, and what was bought after an abandonment.

import { columns } from './chart.js';
import { data, el, empty, show, table } from './dom.js';
import { count, day, money, percent, sum, wholeDay } from './format.js';
import { mainCurrency } from './summary.js';
import { word } from './words.js';

export function draw(node, report) {
  const currency = mainCurrency(report.recovered, report.abandoned);
  if (report.abandonments === 0 && report.steps.length === 0 && report.recovered.length === 0) {
    show(node, empty('Nothing to bring back so far', 'Reminders follow abandonments; what is bought after one shows here.'));
    return;
  }
  const value = (one) => one.value.find((amount) => amount.currency === currency)?.value_minor ?? 0;
  const days = report.by_day.map((one) => one.day);
  const values = report.by_day.map(value);
  const total = values.reduce((sum, one) => sum + one, 0);
  const unit = 10 ** new Intl.NumberFormat(undefined, { style: 'currency', currency: currency ?? 'EUR' }).resolvedOptions().maximumFractionDigits;
  const chart = el('figure', null);
  const steps = stepsTable(report);
  const numeric = (text) => ({ text, class: 'num' });
  show(node,
    el('p', { class: 'lead' }, currency ? `Worth of orders that followed an abandonment, ${currency} by day.` : 'No order followed an abandonment in this period.'), chart, steps,
    whys(report.suppressed),
    report.touches + report.clicks > 0 && el('p', { class: 'note' }, `Links opened ${count(report.touches)}; people who came back by one ${count(report.clicks)}.`),
    el('p', { class: 'note' }, conversions(report.conversions)),
    data('Recovery by day', [{ text: 'Day' }, numeric('Abandonments'), numeric('Delivered'), numeric('Carts'), numeric('Value')],
      report.by_day.map((one) => [day(one.day), count(one.abandonments), count(one.delivered), count(one.recovered),
        one.value.map((amount) => money(amount.value_minor, amount.currency)).join(', ') || '–'])));
  if (!currency) return;
  chart.append(columns({
    width: chart.clientWidth || 500, days, values: values.map((one) => one / unit),
    label: `Value that came back by day: ${sum(total, currency)} in ${days.length} days`,
    tick: (mark) => sum(mark * unit, currency), dayText: day,
    text: (place) => `${wholeDay(days[place])}\n${money(values[place], currency)}\n${count(report.by_day[place].recovered)} carts`,
  }));
}

function stepsTable({ steps }) {
  if (steps.length === 0) return el('p', { class: 'note' }, 'No reminder came due in this period.');
  const hasTouches = steps.some((step) => step.touches + step.clicks > 0);
  const hasRecovered = steps.some((step) => step.recovered > 0);
  const numeric = (text, more = '') => ({ text, class: `num ${more}` });
  const heads = [{ text: 'Step' }, numeric('Decided', 'wide-only'), numeric('Delivered'), numeric('Not sent'), numeric('Given up', 'wide-only'),
    ...(hasTouches ? [numeric('Opened', 'wide-only'), numeric('Clicked')] : []), ...(hasRecovered ? [numeric('Bought')] : [])];
  const row = (step) => [word(step.step), count(step.decided), count(step.delivered), count(step.suppressed), count(step.dead),
    ...(hasTouches ? [count(step.touches), count(step.clicks)] : []), ...(hasRecovered ? [count(step.recovered)] : [])];
  return el('div', { class: 'after' }, table('Reminders by step', heads, steps.map(row)));
}

function whys(suppressed) {
  if (suppressed.length === 0) return null;
  return el('p', { class: 'note' }, `Not sent on purpose: ${suppressed.slice(0, 6).map((one) => `${word(one.why).toLowerCase()} ${count(one.count)}`).join(', ')}.`);
}

function conversions(rows) {
  if (rows.length === 0) return 'Nothing was bought in this period.';
  return `Carts bought: ${rows.map((one) => `${word(one.attribution).toLowerCase()} ${count(one.carts)} (${percent(one.share, 0)})`).join(', ')}.`;
}
