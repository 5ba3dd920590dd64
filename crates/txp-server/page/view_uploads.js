// Uploads with their progress, and one of them with all that became of it.

import { own, Problem } from './api.js';
import { h, keyed, put, say } from './dom.js';
import { count, moment, words } from './format.js';
import { poll } from './live.js';
import { bar, empty, facts, problemBox, stateBadge, uploadLink, uploadReport } from './parts.js';
import { session } from './session.js';

const PAGE = 25;
const COLUMNS = ['File', 'State', 'Progress', 'Rows', 'Accepted', 'Rejected', 'Duplicates', 'Conflicts', 'Arrived'];

/** The list: the newest page stays live, older ones are added behind it. */
export async function uploads({ root, signal }) {
  const list = uploadTable();
  const nothing = h('div', { hidden: true }, empty('No uploads yet',
    'The first file that is sent appears here while it is read. ', h('a', { href: '#/send' }, 'Send a file'),
    session.operator && [', or add a client with ', h('code', {}, 'txp clients add NAME'), ' and let it use the API'], '.'));
  const older = [];
  let cursor = null;
  let newest = [];
  const more = h('button', {
    type: 'button', hidden: true, onclick: async () => {
      more.disabled = true;
      try {
        const page = await own.uploads(`limit=${PAGE}&cursor=${cursor}`, { signal });
        older.push(...page.uploads);
        cursor = page.next_cursor;
        draw();
      } catch (error) {
        if (error.name !== 'AbortError') put(trouble, problemBox(error));
      } finally {
        more.disabled = false;
      }
    },
  }, 'Show older ones');
  const trouble = h('div', { role: 'alert' });
  const draw = () => {
    const known = new Set(newest.map(keyOf));
    const all = [...newest, ...older.filter((one) => !known.has(keyOf(one)))];
    list.draw(all);
    list.element.hidden = all.length === 0;
    nothing.hidden = all.length > 0;
    more.hidden = !cursor;
  };
  list.element.hidden = true;
  put(root,
    h('div', { class: 'head' },
      h('h1', {}, 'Uploads'),
      h('p', {}, session.operator ? 'Of every client, newest first.' : 'Yours, newest first.'),
      h('a', { class: 'button main', href: '#/send' }, 'Send a file')),
    h('div', { class: 'sheet' }, list.element, nothing, h('p', { class: 'row' }, more), trouble));
  await poll(2, signal, async () => {
    const page = await own.uploads(`limit=${PAGE}`, { signal });
    newest = page.uploads;
    if (older.length === 0) cursor = page.next_cursor;
    draw();
    return newest.some((one) => one.poll_after_s) ? 1 : 4;
  });
}

/** A table of uploads that keeps its rows while it is drawn again. */
export function uploadTable(caption = 'Uploads, newest first') {
  const body = h('tbody');
  const element = h('table', { class: 'cards' },
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, COLUMNS.map((name, at) => h('th', { scope: 'col', class: at >= 3 && at <= 7 ? 'number' : null }, name)))),
    body);
  const draw = (items) => keyed(body, items, keyOf, () => h('tr'), row);
  return { element, draw };
}

/** A dry run leaves no upload behind, and has no id. */
const keyOf = (one) => one.upload_id ?? `${one.received_at} ${one.file}`;

function row(tr, one) {
  const print = JSON.stringify(one);
  if (tr.dataset.print === print) return;
  tr.dataset.print = print;
  const { counts } = one;
  const number = (label, value) => h('td', { 'data-label': label, class: 'number' }, value === null ? '…' : count(value));
  const focused = tr.contains(document.activeElement);
  put(tr,
    h('th', { scope: 'row' }, one.upload_id ? uploadLink(one.upload_id, one.file ?? one.upload_id) : one.file,
      one.client_id && h('div', { class: 'small soft' }, one.client_id)),
    h('td', { 'data-label': 'State' }, stateBadge(one.state)),
    h('td', { 'data-label': 'Progress' }, progress(one)),
    number('Rows', one.rows), number('Accepted', counts.accepted), number('Rejected', counts.rejected),
    number('Duplicates', counts.duplicates), number('Conflicts', counts.conflicts),
    h('td', { 'data-label': 'Arrived', class: 'small' }, one.received_at ? moment(one.received_at) : 'no file yet'));
  if (focused) tr.querySelector('a')?.focus();
}

function progress(one) {
  const percent = one.percent ?? (one.state === 'failed' ? 100 : 0);
  const tone = { completed: 'good', dry_run: 'good', failed: 'bad' }[one.state] ?? '';
  return bar(percent, `${one.file ?? 'upload'}: progress`, tone);
}

/** One upload, live until nothing changes any more. */
export async function upload({ parts: [id], root, signal, announce }) {
  const title = h('h1', {}, 'Upload');
  const state = h('span');
  const about = h('div');
  const body = h('div', { class: 'stack' });
  put(root,
    h('div', { class: 'head' }, h('div', { class: 'row' }, title, state), h('a', { href: '#/uploads' }, 'All uploads')),
    h('div', { class: 'sheet' }, about), body);
  let last = '';
  try {
    await poll(1, signal, async () => {
      const one = await own.upload(id, { signal });
      const print = JSON.stringify(one);
      if (print !== last) {
        say(title, one.file ?? 'Upload');
        put(state, stateBadge(one.state));
        put(about, facts([
          ['Upload', h('span', { class: 'mono' }, id)],
          ['Client', one.client_id],
          ['Arrived', one.received_at && moment(one.received_at)],
          ['Link usable until', one.expires_at && moment(one.expires_at)],
          ['Progress', h('div', {}, progress(one), h('span', { class: 'small soft' }, one.percent === null ? (one.poll_after_s ? 'how much there is, is not known yet' : '') : `${one.percent}%`))],
        ]));
        put(body, uploadReport(one));
        if (last && !one.poll_after_s) announce(`${one.file}: ${words(one.state)}.`);
        last = print;
      }
      return one.poll_after_s;
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    put(root, h('h1', {}, 'Upload'), problemBox(error), h('p', {}, h('a', { href: '#/uploads' }, 'All uploads')));
  }
}
