// What the reminders changed: persons who may get them against persons who never do. Nothing is claimed before there is
// enough of both.

import { band } from './chart.js';
import { data, el, empty, show, table } from './dom.js';
import { count, day, money, percent, points, wholeDay } from './format.js';
import { word } from './words.js';

export function draw(node, report) {
  if (report.experiments.length === 0) {
    show(node, empty('Not enough data yet', 'With a holdout, some persons are never reminded. The difference between them and the others is what the reminders changed; it shows here once both are large enough.'));
    return;
  }
  show(node, report.experiments.map((experiment) => part(experiment, report)));
  // Charts take their width from where they are.
  for (const place of node.querySelectorAll('figure')) place.append(place.drawing(place.clientWidth || 500));
}

function part(experiment, report) {
  const { arms, comparisons } = experiment;
  const numeric = (text) => ({ text, class: 'num' });
  const mean = (arm) => arm.values.map((value) => value.mean_minor !== null && money(value.mean_minor, value.currency)).filter(Boolean).join(', ') || '–';
  return el('div', null, el('h3', null, word(experiment.experiment)), comparisons.map((one) => comparison(one, arms, report)),
    el('div', { class: 'after' }, table(`Arms of ${experiment.experiment}`, [{ text: 'Arm' }, numeric('Persons'), numeric('Bought'), numeric('Share'), numeric('Each spent')],
      arms.map((arm) => [word(arm.arm), count(arm.persons), count(arm.buyers), percent(arm.conversion), mean(arm)]))));
}

function comparison(one, arms, report) {
  if (!one.enough) return waiting(one, arms, report);
  const { estimate, low, high } = one.conversion;
  const isClear = low > 0 || high < 0;
  const chart = el('figure', null);
  const days = one.by_day.map((point) => point.day);
  const interval = ({ conversion }) => conversion && `${points(conversion.estimate)} (${points(conversion.low)} to ${points(conversion.high)})`;
  chart.drawing = (width) => band({
    width, height: 170, days, intervals: one.by_day.map((point) => point.conversion), tick: points, dayText: day,
    label: `Difference of the share that bought, up to each day: ${points(estimate)} at the end`,
    text: (place) => `Up to ${wholeDay(days[place])}\n${interval(one.by_day[place]) ?? 'Not enough data yet'}`,
  });
  const values = one.values.filter((value) => value.difference).map(({ currency, difference }) =>
    `${money(difference.estimate, currency)} more for each person (${money(difference.low, currency)} to ${money(difference.high, currency)})`);
  return el('div', null,
    el('p', { class: 'estimate' }, points(estimate)),
    el('p', { class: 'lead after' }, `more persons bought with reminders (${word(one.arm).toLowerCase()}) than without; 95 % interval ${points(low)} to ${points(high)}. `,
      isClear ? '' : 'That may still be chance.'),
    values.length > 0 && el('p', { class: 'note' }, `${values.join('; ')}.`), chart,
    data('Difference up to each day', [{ text: 'Day' }, { text: 'Difference and interval' }], one.by_day.map((point) => [day(point.day), interval(point) ?? '–'])));
}

/** How far each arm is from enough. */
function waiting(one, arms, report) {
  const row = (arm) => el('li', null, `${word(arm.arm)}: ${count(arm.persons)} of ${count(report.persons_min)} persons, ${count(arm.buyers)} of ${count(report.buyers_min)} buyers`,
    el('meter', { min: 0, max: report.persons_min, value: Math.min(arm.persons, report.persons_min), 'aria-label': `Persons in ${word(arm.arm)}` }));
  const both = arms.filter((arm) => arm.arm === 'holdout' || arm.arm === one.arm);
  return el('div', null, el('p', { class: 'lead after' }, el('strong', null, 'Not enough data yet. '), 'A difference is shown once both arms are large enough to say something.'),
    el('ul', { class: 'checks' }, both.map(row)));
}
