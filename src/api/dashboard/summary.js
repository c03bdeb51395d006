// The numbers one looks at first, each beside the period before.

import { el, show } from './dom.js';
import { count, percent, points, short, sum } from './format.js';

/** How a number moved. A rise of what is good is green; the arrow and the words say it as well. */
function change(now, then, { isGood = true, isShare = false } = {}) {
  if (now === null || then === null || now === undefined || then === undefined || (!isShare && then === 0)) return 'nothing to compare with yet';
  const moved = isShare ? now - then : now / then - 1;
  if (Math.abs(moved) < 0.0005) return 'as in the period before';
  const text = isShare ? points(moved) : percent(Math.abs(moved), 0);
  const kind = moved > 0 === isGood ? 'up' : 'down';
  return [el('span', { class: kind }, `${moved > 0 ? '▲' : '▼'} ${text}`), ' vs. the period before'];
}

const figure = (name, big, less, moved) => el('div', { class: 'figure' }, el('dt', null, name), el('dd', { class: 'big' }, big),
  moved && el('dd', { class: 'less' }, moved), less && el('dd', { class: 'less' }, less));

/** The currency with most to show; the others are named below it. */
export function mainCurrency(...lists) {
  const seen = lists.flat().filter((amount) => amount.value_minor !== 0);
  return (seen[0] ?? lists.flat()[0])?.currency;
}

const of = (amounts, currency) => amounts.find((amount) => amount.currency === currency)?.value_minor ?? 0;

export function draw(node, { funnel, recovery, before }) {
  const currency = mainCurrency(recovery.recovered, recovery.abandoned);
  const others = recovery.recovered.filter((amount) => amount.currency !== currency && amount.value_minor !== 0);
  const delivered = (report) => report.steps.reduce((total, step) => total + step.delivered, 0);
  const recovered = currency ? of(recovery.recovered, currency) : 0;
  const left = (report) => (report.carts > 0 ? report.stages.reduce((total, stage) => total + stage.abandoned, 0) / report.carts : null);
  const orders = funnel.orders.first + funnel.orders.repeat;
  const ordersBefore = before.funnel.orders.first + before.funnel.orders.repeat;
  show(node, el('dl', { class: 'figures' },
    figure('Value that came back', currency ? sum(recovered, currency) : count(0),
      others.length > 0 && `and ${others.map((amount) => sum(amount.value_minor, amount.currency)).join(', ')}`,
      change(recovered, currency ? of(before.recovery.recovered, currency) : 0)),
    figure('Carts begun', short(funnel.carts), `${count(funnel.bought)} of them bought`, change(funnel.carts, before.funnel.carts)),
    figure('Cart to order', percent(funnel.conversion), null, change(funnel.conversion, before.funnel.conversion, { isShare: true })),
    figure('Left and not back', percent(left(funnel)), null, change(left(funnel), left(before.funnel), { isGood: false, isShare: true })),
    figure('Reminders delivered', short(delivered(recovery)), null, change(delivered(recovery), delivered(before.recovery))),
    figure('Orders paid', short(orders), `${percent(funnel.orders.repeat_share, 0)} by repeat buyers`, change(orders, ordersBefore))));
}
