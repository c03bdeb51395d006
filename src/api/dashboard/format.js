// Numbers, money and time as the reader's own language writes them.

const number = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const percents = [0, 1, 2].map((digits) => new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: digits }));
const dayMonth = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
const dayFull = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const moneys = new Map();

const UNITS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

export const count = (n) => number.format(n);
export const short = (n) => (Math.abs(n) < 10_000 ? number.format(n) : compact.format(n));
export const percent = (share, digits = 1) => (share === null || share === undefined ? '–' : percents[digits].format(share));
export const points = (share) => `${share > 0 ? '+' : ''}${number.format(Math.round(share * 1_000) / 10)} pp`;

/** Minor units, with as many digits as the currency has; `compact` for large sums in small places. */
export function money(minor, currency, form = 'full') {
  const name = `${currency} ${form}`;
  if (!moneys.has(name)) {
    const digits = new Intl.NumberFormat(undefined, { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
    const options = { style: 'currency', currency, ...(form === 'compact' && { notation: 'compact', maximumFractionDigits: 1 }),
      ...(form === 'round' && { maximumFractionDigits: 0 }) };
    moneys.set(name, { format: new Intl.NumberFormat(undefined, options), unit: 10 ** digits });
  }
  const { format, unit } = moneys.get(name);
  return format.format(minor / unit);
}

/** The whole sum while it is short, compact beyond. */
export const sum = (minor, currency) => (Math.abs(minor) < 100_000_000 ? money(minor, currency, 'round') : money(minor, currency, 'compact'));

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const [unit, size] = UNITS.find(([, length]) => seconds >= length * 1.5) ?? UNITS.at(-1);
  const value = seconds / size;
  return new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

export const day = (text) => dayMonth.format(new Date(`${text}T00:00:00Z`));
export const wholeDay = (text) => dayFull.format(new Date(`${text}T00:00:00Z`));
export const at = (text) => (text ? moment.format(new Date(text)) : '–');

/** How long from `now` until then, or since. */
export function away(text, now) {
  if (!text) return '–';
  const seconds = (new Date(text) - new Date(now)) / 1_000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.round(seconds / size), unit);
}

/** A day so many days before another. */
export function before(text, days) {
  const date = new Date(`${text}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() - days);
  return date.toISOString().slice(0, 10);
}
