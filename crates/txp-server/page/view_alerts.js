// Alerts: what was found, in words, by which numbers, and who was told.

import { operator } from './api.js';
import { freshId, h, keyed, put } from './dom.js';
import { amount, moment, things, words } from './format.js';
import { poll } from './live.js';
import { badge, empty, explanation, problemBox, severityBadge, transactionLink } from './parts.js';

const PAGE = 25;
const DELIVERIES = {
  sent: ['message sent', 'good'],
  sent_in_digest: ['sent in a digest', 'good'],
  pending: ['waits for its digest or the sink', 'warn'],
  recorded: ['recorded only: its event is too long ago', ''],
  suppressed: ['suppressed by a rule of the operator', ''],
};

export async function alerts({ query, root, signal }) {
  const list = h('ol', { class: 'alerts' });
  const nothing = h('div', { hidden: true });
  const trouble = h('div', { role: 'alert' });
  const filters = form(query);
  let newest = [];
  let older = [];
  let next = null;
  const asked = new URLSearchParams([...query].filter(([name, value]) => value && ['severity', 'rule', 'merchant_id'].includes(name)));
  const more = h('button', {
    type: 'button', hidden: true, onclick: async () => {
      more.disabled = true;
      try {
        const page = await operator.alerts(`limit=${PAGE}&before=${encodeURIComponent(next)}&${asked}`, { signal });
        older.push(...page.alerts);
        next = page.next_before;
        draw();
      } catch (error) {
        if (error.name !== 'AbortError') put(trouble, problemBox(error));
      } finally {
        more.disabled = false;
      }
    },
  }, 'Show older ones');
  const draw = () => {
    const known = new Set(newest.map((one) => one.id));
    const all = [...newest, ...older.filter((one) => !known.has(one.id))];
    keyed(list, all, (one) => one.id, alertItem, updateAlert);
    nothing.hidden = all.length > 0;
    list.hidden = all.length === 0;
    more.hidden = !next;
    if (all.length === 0) {
      put(nothing, asked.size > 0
        ? empty('No alert is like that', h('a', { href: '#/alerts' }, 'Show all alerts'))
        : empty('No alerts', 'Nothing that the rules look for has come. ', h('code', {}, 'txp rules show'), ' prints what they look for.'));
    }
  };
  put(root,
    h('div', { class: 'head' }, h('h1', {}, 'Alerts'), h('p', {}, 'What the rules found, newest first.')),
    filters,
    h('div', { class: 'sheet' }, list, nothing, h('p', { class: 'row' }, more), trouble));
  await poll(4, signal, async () => {
    const page = await operator.alerts(`limit=${PAGE}&${asked}`, { signal });
    newest = page.alerts;
    if (older.length === 0) next = page.next_before;
    draw();
  });
}

function form(query) {
  const field = (name, label, control) => h('div', { class: 'field' }, h('label', { for: control.id }, label), control);
  const severity = h('select', { id: freshId('severity'), name: 'severity' },
    ['', 'critical', 'high', 'medium', 'low'].map((value) => h('option', { value, selected: query.get('severity') === value }, value || 'any')));
  const rule = h('input', { id: freshId('rule'), name: 'rule', value: query.get('rule') ?? '', placeholder: 'amount_high' });
  const merchant = h('input', { id: freshId('merchant'), name: 'merchant_id', value: query.get('merchant_id') ?? '' });
  return h('form', {
    class: 'sheet fields', 'aria-label': 'Which alerts', onsubmit: (event) => {
      event.preventDefault();
      const wanted = new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value.trim()));
      location.hash = `#/alerts${wanted.size > 0 ? `?${wanted}` : ''}`;
    },
  },
  field('severity', 'Severity', severity), field('rule', 'Rule', rule), field('merchant', 'Merchant', merchant),
  h('div', {}, h('button', { class: 'main', type: 'submit' }, 'Show')));
}

/** One alert: words first, the numbers fold out. */
export function alertItem(one) {
  const rest = one.hits.length - 1;
  return h('li', { class: 'alert' },
    h('div', { class: 'row' },
      severityBadge(one.severity),
      transactionLink(one.transaction_id, one.merchant_id),
      h('span', { class: 'soft' }, `of ${one.merchant_id}`),
      h('span', { class: 'number' }, amount(one.amount, one.currency)),
      h('span', { class: 'soft small end' }, moment(one.decided_at))),
    h('p', { class: 'words' }, capital(one.words), rest > 0 && `, and ${things(rest, 'more reason')}`),
    h('p', { class: 'row small soft' },
      h('span', {}, `rule ${one.rule}`), h('span', {}, `score ${one.score} of 1000`),
      h('span', {}, `card ${one.brand} ending in ${one.card_last4}`), h('span', { class: 'delivery' })),
    h('details', {}, h('summary', {}, 'Why: the numbers that were compared'),
      one.hits.map((hit) => h('div', {}, h('h3', {}, `${capital(words(hit.rule))}: ${hit.words}`), explanation(hit.numbers))),
      h('p', { class: 'small soft' }, `Judged by rule set ${one.rule_set}; event time ${moment(one.event_time)}; position ${one.position.sequence} in the history.`)));
}

function updateAlert(item, one) {
  if (item.dataset.delivery === one.delivery) return;
  item.dataset.delivery = one.delivery;
  const [text, tone] = DELIVERIES[one.delivery] ?? [words(one.delivery), ''];
  put(item.querySelector('.delivery'), badge(text, tone));
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The list of a few, for the overview. */
export function drawAlerts(list, items) {
  keyed(list, items, (one) => one.id, alertItem, updateAlert);
}
