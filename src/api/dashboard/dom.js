// Elements from data: text is only ever text, so nothing that a shop or shopper wrote can become markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);
export const svg = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);
export const byId = (id) => document.getElementById(id);

/** Replaces what is in a node, and says that it is no longer being loaded. */
export function show(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  node.removeAttribute('aria-busy');
}

/** Grey lines in the place of what is to come. Once something is shown, it stays until there is something newer. */
export function loading(node, lines = 5) {
  if (node.firstChild && !node.querySelector('.bones, .state')) return;
  node.setAttribute('aria-busy', 'true');
  node.replaceChildren(el('div', { class: 'bones', 'aria-hidden': 'true' }, Array.from({ length: lines }, () => el('i'))));
}

export const empty = (title, advice) => el('div', { class: 'state' }, el('strong', null, title), advice);

export function failed(fault, again) {
  return el('div', { class: 'state bad', role: 'alert' }, el('strong', null, fault.title ?? 'Something went wrong'), fault.detail ?? fault.message,
    again && el('div', null, el('button', { type: 'button', onclick: again }, 'Try again')));
}

export const tag = (kind, text) => el('span', { class: `tag ${kind}` }, text);

/** A head that only a screen reader says. */
export const unseen = (text) => el('span', { class: 'unseen' }, text);

/** A table of heads ({text, class}) and rows of cells (text, node, or {text, class}); the first cell names its row. */
export function table(caption, heads, rows) {
  const head = ({ text, class: kind }) => el('th', { scope: 'col', class: kind }, text);
  const cell = (content, place) => {
    const plain = content instanceof Node || typeof content !== 'object' || content === null;
    const { text, class: kind } = plain ? { text: content, class: heads[place]?.class } : content;
    return place === 0 ? el('th', { scope: 'row', class: kind }, text) : el('td', { class: kind }, text);
  };
  return el('table', null, el('caption', { class: 'unseen' }, caption), el('thead', null, el('tr', null, heads.map(head))),
    el('tbody', null, rows.map((row) => el('tr', null, row.map(cell)))));
}

/** The numbers behind a chart, for who reads numbers or cannot see it. */
export function data(caption, heads, rows) {
  return el('details', { class: 'data' }, el('summary', null, 'Show the numbers'),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, table(caption, heads, rows)));
}

/** Opens the dialog with this title and content. */
export function dialog(title, ...content) {
  byId('detail-title').replaceChildren(title);
  show(byId('detail-body'), content);
  if (!byId('detail').open) byId('detail').showModal();
}
