// How the service does: what is overdue, whether its loops run, how many carts it keeps.

import { el, show, tag } from './dom.js';
import { away, count } from './format.js';
import { state, word } from './words.js';

export function draw(node, system, shops) {
  const carts = {};
  for (const shop of system.shops.filter((one) => shops.includes(one.id))) {
    for (const [name, n] of Object.entries(shop.carts)) carts[name] = (carts[name] ?? 0) + n;
  }
  const kept = Object.entries(carts).sort(([, a], [, b]) => b - a).map(([name, n]) => `${state(name)[1].toLowerCase()} ${count(n)}`);
  const { outbox } = system;
  const fact = (name, value) => el('div', null, el('dt', null, name), el('dd', null, value));
  const check = (one) => el('li', null, tag(one.ok ? 'good' : 'bad', one.ok ? 'OK' : 'Not OK'), el('span', null, word(one.name), one.detail && el('span', { class: 'muted' }, ` ${one.detail}`)));
  show(node,
    el('dl', { class: 'facts' },
      fact('Ready', tag(system.ready ? 'good' : 'bad', system.ready ? 'Ready' : 'Not ready')),
      fact('Most overdue', outbox ? (outbox.overdue_since ? away(outbox.overdue_since, system.now) : 'Nothing is overdue') : 'Unknown'),
      fact('Waiting to be sent', outbox ? count(outbox.pending) : 'Unknown'),
      fact('Given up', outbox ? count(outbox.dead) : 'Unknown'),
      fact('Carts kept', kept.join(', ') || 'None'),
      fact('Version', `${system.version}, ${system.store} store`)),
    el('ul', { class: 'checks after' }, system.checks.map(check)));
}
