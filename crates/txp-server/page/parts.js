// What several views show: problems, states, an upload's report, flags with their numbers.

import { own, Problem } from './api.js';
import { h, put } from './dom.js';
import { amount, bytes, count, duration, moment, things, words } from './format.js';

/** What went wrong, where, and what to do. */
export function problemBox(error) {
  const is = error instanceof Problem ? error : {
    title: 'The page met an error of its own', detail: String(error?.message ?? error), hint: 'Load it again; if it stays, tell the operator.', errors: [],
  };
  return h('div', { class: 'note-box bad' },
    h('strong', {}, is.title),
    is.detail && h('p', {}, sentence(is.detail)),
    is.errors.length > 0 && h('ul', {}, is.errors.map((fault) => h('li', {}, h('code', {}, fault.pointer), ` ${fault.detail}`))),
    is.hint && h('p', {}, sentence(is.hint)),
    is.instance && h('p', { class: 'small soft' }, 'In the server’s log: ', h('code', {}, is.instance.split(':').pop())));
}

export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/** Nothing there yet, and what to do about it. */
export const empty = (title, ...next) => h('div', { class: 'empty' }, h('strong', {}, title), h('p', {}, next));

export const badge = (text, tone = '') => h('span', { class: `badge ${tone}` }, text);

const STATES = {
  pending: ['waiting for the file', ''],
  expired: ['link expired', 'warn'],
  processing: ['processing', 'live'],
  parsed: ['almost done', 'live'],
  completed: ['completed', 'good'],
  failed: ['failed', 'bad'],
  dry_run: ['dry run', 'good'],
  validated: ['validated', 'good'],
  flagged: ['flagged', 'bad'],
  disputed: ['disputed', 'warn'],
  rejected: ['rejected', 'warn'],
  awaiting_original: ['original awaited', 'warn'],
};

export function stateBadge(state) {
  const [text, tone] = STATES[state] ?? [words(state), ''];
  return badge(text, tone);
}

const SEVERITIES = { low: '', medium: 'warn', high: 'bad', critical: 'bad' };
export const severityBadge = (severity) => badge(severity, SEVERITIES[severity] ?? '');

/** A bar of hundredths, with its words for those who do not see it. */
export function bar(percent, label, tone = '') {
  const inner = h('span');
  inner.style.width = `${percent ?? 0}%`;
  return h('span', {
    class: `bar ${tone}`, role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': percent ?? null,
  }, inner);
}

export const facts = (pairs) => h('dl', { class: 'facts' }, pairs
  .filter(([, value]) => value !== null && value !== undefined && value !== '')
  .map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));

/** Lets the browser save what was asked for with a header, which a plain link could not. */
export function download(text, name, load) {
  const problem = h('span', { role: 'alert' });
  const button = h('button', {
    type: 'button',
    onclick: async () => {
      button.disabled = true;
      put(problem);
      try {
        const url = URL.createObjectURL(await load());
        h('a', { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 60000);
      } catch (error) {
        put(problem, problemBox(error));
      } finally {
        button.disabled = false;
      }
    },
  }, text);
  return h('span', {}, button, problem);
}

/** Everything about one upload: counts that add up, what was rejected and why, the receipt. */
export function uploadReport(document, rejects = () => own.rejects(document.upload_id)) {
  const { counts } = document;
  return [
    document.failure && h('div', { class: 'note-box bad' },
      h('strong', {}, `It failed: ${words(document.failure.code)}${document.failure.line ? `, line ${document.failure.line}` : ''}`),
      h('p', {}, sentence(document.failure.message)), h('p', {}, sentence(document.failure.hint))),
    h('dl', { class: 'tiles' }, [
      ['Rows read', document.rows], ['Accepted', counts.accepted], ['Rejected', counts.rejected],
      ['Duplicates', counts.duplicates], ['Conflicts', counts.conflicts],
      ...(document.findings === undefined ? [] : [['Findings', document.findings]]),
    ].map(([name, value]) => h('div', { class: 'tile' }, h('dt', {}, name), h('dd', { class: 'value' }, value === null ? '…' : count(value))))),
    document.unknown_columns.length > 0 && h('p', { class: 'soft' }, `Columns that were dropped: ${document.unknown_columns.join(', ')}.`),
    rejected(document, rejects),
    document.receipt && receipt(document.receipt),
  ];
}

function rejected(document, rejects) {
  const codes = Object.entries(document.rejected_by_code).sort((a, b) => b[1] - a[1]);
  if (codes.length === 0 && document.errors.length === 0) return null;
  return h('section', { class: 'sheet stack' },
    h('div', { class: 'head' }, h('h2', {}, 'Rejected rows'),
      document.rejects_url && download('Save the whole report', `${document.upload_id ?? 'dry-run'}.rejects.csv`, rejects)),
    codes.length > 0 && h('ul', { class: 'row', 'aria-label': 'By reason' }, codes.map(([code, number]) => h('li', { class: 'badge warn' }, `${words(code)}: ${count(number)}`))),
    document.errors.length > 0 && h('table', { class: 'cards' },
      h('caption', {}, document.errors.length < counted(document) ? `The first ${things(document.errors.length, 'row')}; the report has all.` : 'Every rejected row.'),
      h('thead', {}, h('tr', {}, ['Line', 'Record', 'What is wrong and what to do'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, document.errors.map((error) => h('tr', {},
        h('td', { 'data-label': 'Line', class: 'mono' }, error.line),
        h('td', { 'data-label': 'Record', class: 'mono' }, error.row),
        h('td', { 'data-label': 'Reasons' }, error.reasons))))));
}

const counted = (document) => document.counts.rejected;

function receipt(of) {
  const { counts } = of;
  const total = counts.accepted + counts.rejected + counts.duplicates + counts.conflicts;
  const text = JSON.stringify(of, null, 2);
  return h('section', { class: 'sheet stack' },
    h('div', { class: 'head' }, h('h2', {}, 'Receipt'),
      download('Save the receipt', `${of.upload_id}.receipt.json`, async () => new Blob([text], { type: 'application/json' }))),
    facts([
      ['SHA-256 of the file', of.sha256 && h('span', { class: 'mono', id: 'receipt-sha256' }, of.sha256)],
      ['Size', bytes(of.bytes)],
      ['Rows', `${count(of.rows)} = ${count(counts.accepted)} accepted + ${count(counts.rejected)} rejected + ${count(counts.duplicates)} duplicates + ${count(counts.conflicts)} conflicts${total === of.rows ? '' : ' (this does not add up: tell the operator)'}`],
      ['Arrived', moment(of.received_at)],
      ['Completed', `${moment(of.completed_at)}, ${duration((new Date(of.completed_at) - new Date(of.received_at)) / 1000)} later`],
      ...Object.entries(of.sums ?? {}).map(([currency, sums]) => [`Sums in ${currency}`, sumsOf(currency, sums)]),
      ['Signed with', of.signature && h('span', { class: 'mono' }, of.key_id ?? 'the server’s key')],
    ]));
}

const sumsOf = (currency, sums) => Object.entries(sums)
  .map(([kind, value]) => `${words(kind)} ${typeof value === 'string' ? amount(value, currency) : (typeof value === 'number' ? count(value) : JSON.stringify(value))}`)
  .join(', ');

/** What a rule compared, as words, numbers and a scale with the limit on it. */
export function explanation(numbers) {
  if (!numbers) return null;
  const money = (of) => amount(of.amount, of.currency);
  const value = (of) => Number(of.amount);
  const drawn = {
    amount_high: () => [[['Amount', money(numbers.observed)], ['Highest that is usual', money(numbers.threshold)]], value(numbers.observed), value(numbers.threshold)],
    amount_low: () => [[['Amount', money(numbers.observed)], ['Lowest that is usual', money(numbers.threshold)]], value(numbers.observed), value(numbers.threshold)],
    card_velocity: () => [[
      ['Earlier sales on the card', `${numbers.observed}${numbers.observed >= 32 ? ' or more' : ''} within ${duration(numbers.window_seconds)}`],
      ['A hit from', `${numbers.threshold}`]], numbers.observed, numbers.threshold],
    amount_deviation: () => {
      const mean = value(numbers.sum) / numbers.sales;
      return [[
        ['Amount', money(numbers.observed)],
        ['Mean of the card', `about ${amount(mean.toFixed(2), numbers.observed.currency)} over ${things(numbers.sales, 'sale')}`],
        ['A hit above', `${numbers.times} times the mean, after ${things(numbers.after, 'sale')}`]], value(numbers.observed), mean * numbers.times];
    },
    conflicting_resubmission: () => [[
      ['First, and it stands', `${numbers.first.type} of ${money(numbers.first)}`],
      ['Sent again as', `${numbers.second.type} of ${money(numbers.second)}`]]],
  }[numbers.kind];
  if (!drawn) return facts(Object.entries(numbers).map(([name, of]) => [words(name), typeof of === 'object' ? JSON.stringify(of) : String(of)]));
  const [pairs, observed, limit] = drawn();
  return h('div', { class: 'compare' }, limit !== undefined && scale(observed, limit), facts(pairs));
}

function scale(observed, limit) {
  const most = Math.max(observed, limit) * 1.08 || 1;
  const filled = h('span', { class: 'observed' });
  const mark = h('span', { class: 'limit' });
  filled.style.width = `${(observed / most) * 100}%`;
  mark.style.left = `${(limit / most) * 100}%`;
  return h('div', { class: 'scale', 'aria-hidden': 'true' }, filled, mark);
}

/** A link to a transaction. */
export const transactionLink = (id, merchant) => h('a', {
  href: `#/transactions/${encodeURIComponent(id)}${merchant ? `?merchant=${encodeURIComponent(merchant)}` : ''}`, class: 'mono',
}, id);

/** A link to an upload. */
export const uploadLink = (id, text = id) => h('a', { href: `#/uploads/${encodeURIComponent(id)}` }, text);
