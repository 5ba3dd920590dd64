// Numbers, times and amounts as people read them.

const grouped = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat('en-GB', { year: 'numeric', month: 'short', day: 'numeric' });

export const count = (number) => (number === null || number === undefined ? 'not known yet' : grouped.format(number));

/** One thing or several: `1 row`, `2 rows`. */
export const things = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;

/** A figure for a small place: 1,234 or 12.3K. */
export function figure(number) {
  if (number === null || number === undefined || Number.isNaN(number)) return '–';
  if (Math.abs(number) >= 100000) return short.format(number);
  if (Number.isInteger(number)) return grouped.format(number);
  return Math.abs(number) >= 100 ? grouped.format(Math.round(number)) : String(Number(number.toPrecision(3)));
}

export function bytes(number) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (number >= 1000 && at < units.length - 1) {
    number /= 1000;
    at += 1;
  }
  return `${at === 0 ? number : number.toFixed(number < 10 ? 1 : 0)} ${units[at]}`;
}

/** A length of time in its two largest units. */
export function duration(seconds) {
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [size, unit] of units) {
    if (rest >= size || (size === 1 && parts.length === 0)) {
      parts.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    }
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

export const atClock = (millis, withSeconds) => (withSeconds ? clockSeconds : clock).format(millis);

/** A moment: today by its time, else with the day. */
export function moment(text) {
  if (!text) return 'not known yet';
  const date = new Date(text);
  const time = clockSeconds.format(date);
  return date.toDateString() === new Date().toDateString() ? `today ${time}` : `${day.format(date)} ${time}`;
}

/** A decimal text with its digits in groups: no float ever holds an amount. */
export function amount(text, currency) {
  if (text === null || text === undefined) return '';
  const [whole, fraction] = String(text).split('.');
  const groups = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return `${groups}${fraction === undefined ? '' : `.${fraction}`} ${currency ?? ''}`.trim();
}

/** `conflicting_resubmission` as words. */
export const words = (name) => String(name).replaceAll('_', ' ');
