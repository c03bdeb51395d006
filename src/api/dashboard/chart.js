// Charts as SVG: bars in tables, columns by day, a line with its interval. One scale for each, from zero or around it.
//
// Each is drawn at the width it has, so that its text keeps its size; a chart by day has its numbers beside it as a table.

import { byId, svg } from './dom.js';

const BAR = 14;

/** A bar of parts ({value, class}) of a whole. Decoration: the numbers stand beside it. */
export function bar(parts, whole) {
  let x = 0;
  const piece = ({ value, class: kind }) => {
    const width = whole > 0 ? (100 * value) / whole : 0;
    const rect = svg('rect', { x, y: 0, width: value > 0 ? Math.max(width, 0.6) : 0, height: BAR, class: kind });
    x += width;
    return rect;
  };
  return svg('svg', { viewBox: `0 0 100 ${BAR}`, width: '100%', height: BAR, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { width: 100, height: BAR, class: 'track' }), parts.map(piece));
}

/** A line without axes, for the trend of a row. */
export function spark(values, width = 90, height = 22) {
  const top = Math.max(...values, 1);
  const step = width / Math.max(values.length - 1, 1);
  const points = values.map((value, place) => `${(place * step).toFixed(1)},${(height - 2 - ((height - 4) * value) / top).toFixed(1)}`);
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, class: 'spark', 'aria-hidden': 'true' }, svg('polyline', { points: points.join(' '), class: 's-spark' }));
}

/** Round numbers from below `low` to above `high`. */
export function ticks(low, high, most = 4) {
  const span = high - low || 1;
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step);
}

function frame(width, height, marks, format) {
  const left = Math.max(...marks.map((mark) => format(mark).length)) * 7 + 10;
  const [low, high] = [marks[0], marks.at(-1)];
  const y = (value) => 8 + (height - 34) * (1 - (value - low) / (high - low || 1));
  const lines = marks.map((mark) => [
    svg('line', { x1: left, x2: width, y1: y(mark), y2: y(mark), class: mark === 0 ? 'zero' : 'grid' }),
    svg('text', { x: left - 8, y: y(mark) + 4, 'text-anchor': 'end' }, format(mark)),
  ]);
  return { left, y, lines };
}

/** Labels under days, as many as there is room for. */
function labels(days, x, width, height, text) {
  const every = Math.max(1, Math.ceil((days.length * 58) / width));
  return days.flatMap((day, place) => (place % every === 0 && x(place) < width - 20
    ? [svg('text', { x: x(place), y: height - 6, 'text-anchor': 'middle' }, text(day))] : []));
}

function hits(days, x, step, height, text) {
  return days.map((_, place) => svg('rect', {
    x: x(place) - step / 2, y: 0, width: step, height: height - 26, class: 'hit',
    onpointermove: (event) => point(event, text(place)), onpointerleave: hide,
  }));
}

/** One column for each day; `parts` are as many values that a column is part of. */
export function columns({ width, height = 200, label, days, values, parts = [], kind = 'f-blue', tick, text, dayText }) {
  const marks = ticks(Math.min(0, ...values), Math.max(...values, 1));
  const { left, y, lines } = frame(width, height, marks, tick);
  const step = (width - left) / days.length;
  const x = (place) => left + step * (place + 0.5);
  const thick = Math.max(1.5, Math.min(step * 0.72, 34));
  const column = (of) => (value, place) => svg('rect', {
    x: x(place) - thick / 2, width: thick, y: Math.min(y(0), y(value)), height: Math.abs(y(value) - y(0)), rx: Math.min(2, thick / 3), class: value < 0 ? 'f-amber' : of,
  });
  return svg('svg', { width, height, role: 'img', 'aria-label': label }, lines, values.map(column(kind)), parts.map(column('f-green')),
    labels(days, x, width, height, dayText), hits(days, x, step, height, text));
}

/** A line and the interval around it; days without a value are left out. */
export function band({ width, height = 200, label, days, intervals, tick, text, dayText }) {
  const known = intervals.filter(Boolean);
  const marks = ticks(Math.min(0, ...known.map((one) => one.low)), Math.max(0, ...known.map((one) => one.high)));
  const { left, y, lines } = frame(width, height, marks, tick);
  const step = (width - left) / days.length;
  const x = (place) => left + step * (place + 0.5);
  const placed = intervals.map((one, place) => one && { ...one, x: x(place) }).filter(Boolean);
  const along = (points, of) => points.map((point) => `${point.x.toFixed(1)},${y(point[of]).toFixed(1)}`);
  const outline = [...along(placed, 'high'), ...along([...placed].reverse(), 'low')];
  return svg('svg', { width, height, role: 'img', 'aria-label': label }, lines, svg('polygon', { points: outline.join(' '), class: 'band' }),
    svg('polyline', { points: along(placed, 'estimate').join(' '), class: 's-blue' }), labels(days, x, width, height, dayText),
    hits(days, x, step, height, text));
}

/** A square of a colour, for a key. */
export const swatch = (kind) => svg('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, svg('rect', { width: 12, height: 12, rx: 3, class: kind }));

function point(event, text) {
  const tip = byId('tip');
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(8, event.clientY - height - 12)}px`;
}

function hide() {
  byId('tip').hidden = true;
}
