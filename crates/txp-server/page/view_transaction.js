// One transaction: where it stands, why it was flagged, and everything that happened to it.

import { own, Problem } from './api.js';
import { freshId, h, put } from './dom.js';
import { amount, moment, things, words } from './format.js';
import { explanation, facts, problemBox, sentence, severityBadge, stateBadge, uploadLink } from './parts.js';

export async function transaction({ parts: [id], query, root, signal, announce }) {
  const merchant = query.get('merchant');
  const found = h('div', { class: 'stack' });
  put(root,
    h('div', { class: 'head' }, h('h1', {}, 'Transactions'), h('p', {}, 'One transaction with its whole history.')),
    search(id, merchant), found);
  if (!id) return;
  try {
    const one = await own.transaction(id, merchant, { signal });
    put(found, details(one));
    announce(`Transaction ${id}: ${words(one.status)}.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    put(found, problemBox(error), error.choices.length > 0 && choices(id, error.choices));
  }
}

function search(id = '', merchant = '') {
  const of = freshId('transaction');
  const by = freshId('merchant');
  return h('form', {
    class: 'sheet fields', role: 'search', 'aria-label': 'Find a transaction', onsubmit: (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      const wanted = data.get('id').trim();
      const merchantId = data.get('merchant').trim();
      if (!wanted) return;
      location.hash = `#/transactions/${encodeURIComponent(wanted)}${merchantId ? `?merchant=${encodeURIComponent(merchantId)}` : ''}`;
    },
  },
  h('div', { class: 'field' }, h('label', { for: of }, 'Transaction id'), h('input', { id: of, name: 'id', value: id, required: true, autocomplete: 'off', spellcheck: 'false' })),
  h('div', { class: 'field' }, h('label', { for: by }, 'Merchant (where several have the id)'), h('input', { id: by, name: 'merchant', value: merchant ?? '', autocomplete: 'off', spellcheck: 'false' })),
  h('div', {}, h('button', { class: 'main', type: 'submit' }, 'Find')));
}

const choices = (id, of) => h('div', { class: 'sheet' }, h('h2', {}, 'Which merchant’s?'),
  h('ul', {}, of.map(({ merchant_id: merchant }) => h('li', {}, h('a', {
    href: `#/transactions/${encodeURIComponent(id)}?merchant=${encodeURIComponent(merchant)}`,
  }, merchant)))));

function details(one) {
  return [
    h('section', { class: 'sheet stack' },
      h('div', { class: 'row' },
        h('h2', { class: 'mono' }, one.transaction_id), stateBadge(one.status),
        one.amount && h('span', { class: 'number end' }, h('strong', {}, amount(one.amount, one.currency)))),
      facts([
        ['Merchant', one.merchant_id],
        ['Type', one.type],
        ['Event time', one.timestamp && `${moment(one.timestamp)}${one.time_source === 'upload' ? ' (the upload’s: the row had none)' : ''}`],
        ['Card', one.card_last4 && `${one.brand} ending in ${one.card_last4}`],
        ['Original', one.original_transaction_id && h('a', { href: `#/transactions/${encodeURIComponent(one.original_transaction_id)}?merchant=${encodeURIComponent(one.merchant_id)}` }, one.original_transaction_id)],
        ['Terminal', one.terminal_id], ['Country', one.country], ['Category', one.mcc],
        ['From', one.upload_id && h('span', {}, uploadLink(one.upload_id, one.source_file ?? one.upload_id), one.row ? `, record ${one.row}, line ${one.line}` : '')],
        ['Conflicts', one.conflicts > 0 ? `${things(one.conflicts, 'other content', 'other contents')} sent under this id; the first stands` : null],
        ['Disputed by', (one.disputes ?? []).length > 0 ? one.disputes.join(', ') : null],
        ['Written by', one.writer === 'live' ? null : one.writer],
      ])),
    (one.flags ?? []).length > 0 && h('section', { class: 'sheet stack', id: 'flags' }, h('h2', {}, 'Why it is flagged'),
      one.flags.map((flag) => h('div', {},
        h('div', { class: 'row' }, severityBadge(flag.severity), h('strong', {}, sentence(flag.words))),
        h('p', { class: 'small soft' }, `rule ${flag.rule} of ${flag.rule_set}${flag.score === undefined ? '' : `, score ${flag.score} of 1000`}`),
        explanation(flag.numbers)))),
    one.rejection && h('section', { class: 'sheet stack' }, h('h2', {}, 'Why it is rejected'),
      h('p', {}, 'Record ', one.rejection.row, ', line ', one.rejection.line, ' of ', uploadLink(one.rejection.upload_id), '.'),
      h('ul', {}, one.rejection.reasons.map((reason) => h('li', {}, h('strong', {}, words(reason.code)), reason.field ? ` (${reason.field})` : '', `: ${reason.message}; ${reason.hint}.`)))),
    history(one),
  ];
}

function history(one) {
  return h('section', { class: 'sheet' }, h('h2', {}, 'History'),
    one.history.length === 0
      ? h('p', { class: 'soft' }, 'No event of its own: a chargeback names it, and no row had this id yet.')
      : h('ol', { class: 'timeline' }, one.history.map((event) => h('li', { class: tone(event) },
        h('strong', {}, heading(event)),
        h('div', { class: 'small soft' }, `${moment(event.time)}, position ${event.position.sequence}`),
        h('div', { class: 'small' }, source(event))))),
    one.history_truncated && h('p', { class: 'soft' }, 'There were more; ', h('code', {}, `txp events --transaction ${one.transaction_id}`), ' prints all.'),
    h('p', { class: 'small soft' }, `As of event ${one.as_of.sequence}, ${moment(one.as_of.time)}.`));
}

const TITLES = {
  'transaction.accepted': { accepted: 'Accepted', duplicate: 'Sent again, the same', conflict: 'Sent again with other content' },
  'transaction.disputed': { accepted: 'Chargeback accepted', duplicate: 'Chargeback sent again, the same', conflict: 'Chargeback sent again with other content' },
  'row.rejected': { rejected: 'A row with this id was rejected' },
};

const heading = (event) => (event.type === 'anomaly.flagged' ? 'Flagged' : TITLES[event.type]?.[event.class] ?? `${event.type} ${event.class ?? ''}`);
const tone = (event) => ({ conflict: 'warn', rejected: 'warn' }[event.class] ?? (event.type === 'anomaly.flagged' ? 'bad' : ''));

function source(event) {
  const [uploadId, record] = event.id.split(':');
  return event.type === 'anomaly.flagged'
    ? h('span', { class: 'mono' }, event.id)
    : h('span', {}, 'record ', record, ' of ', uploadLink(uploadId, 'its upload'));
}
