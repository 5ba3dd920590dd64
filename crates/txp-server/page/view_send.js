// Sending a file: the same three steps that any program takes, with what happens in each.

import { ask, Problem, send } from './api.js';
import { freshId, h, put } from './dom.js';
import { bytes, things } from './format.js';
import { poll } from './live.js';
import { bar, problemBox, stateBadge, uploadReport } from './parts.js';
import { session } from './session.js';

/** A digest is made of a file that fits into memory; a larger one is sent without. */
const DIGEST_BYTES_MAX = 256 * 1024 * 1024;
const KEY = 'txp.client';

export async function sendFile({ root, signal, announce }) {
  const results = h('div', { class: 'stack runs' });
  put(root,
    h('div', { class: 'head' }, h('h1', {}, 'Send a file'), h('p', {}, 'CSV with a header: transaction_id, amount, merchant_id, card_number, and others.')),
    form(async (file, options, key) => {
      const run = new Run(file, signal, announce);
      results.prepend(run.element);
      await run.go(options, key);
    }),
    results);
}

function form(start) {
  const ids = { key: freshId('key'), file: freshId('file'), currency: freshId('currency'), zone: freshId('zone'), columns: freshId('columns') };
  let file = null;
  const name = h('p', { 'aria-live': 'polite' }, 'No file chosen.');
  const trouble = h('div', { role: 'alert' });
  const input = h('input', { type: 'file', id: ids.file, accept: '.csv,text/csv,text/plain', onchange: () => choose(input.files[0]) });
  const choose = (chosen) => {
    if (!chosen) return;
    file = chosen;
    put(name, h('strong', {}, chosen.name), `, ${bytes(chosen.size)}`);
    put(trouble);
  };
  const drop = h('div', {
    class: 'drop',
    ondragover: (event) => { event.preventDefault(); drop.classList.add('over'); },
    ondragleave: () => drop.classList.remove('over'),
    ondrop: (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      choose(event.dataTransfer.files[0]);
    },
  }, input, h('p', {}, 'Drop a file here, or ', h('label', { for: ids.file }, 'choose one'), '.'), name);
  const key = h('input', { id: ids.key, type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, value: session.client ?? '' });
  const button = h('button', { class: 'main', type: 'submit' }, 'Send it');
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const secret = key.value.trim();
    if (!file) {
      put(trouble, problemBox(new Problem({ title: 'No file is chosen', hint: 'Drop one on the field above, or choose one.' })));
      input.focus();
      return;
    }
    const { columns, wrong } = columnsOf(data.get('columns'));
    if (wrong) {
      put(trouble, problemBox(new Problem({ title: `This names no column: ${wrong}`, hint: 'Each line says the name in the file, =, and the name here.' })));
      form.querySelector('textarea').focus();
      return;
    }
    const defaults = Object.fromEntries(['currency', 'time_zone'].map((one) => [one, data.get(one).trim()]).filter(([, value]) => value));
    sessionStorage.setItem(KEY, secret);
    button.disabled = true;
    try {
      const options = { strict: data.has('strict'), dry_run: data.has('dry_run') };
      if (Object.keys(defaults).length > 0) options.defaults = defaults;
      if (Object.keys(columns).length > 0) options.columns = columns;
      await start(file, options, secret);
    } finally {
      button.disabled = false;
    }
  };
  const check = (box, text, hint) => h('label', { class: 'choice' }, h('input', { type: 'checkbox', name: box }), h('span', {}, text, h('span', { class: 'soft small' }, ` ${hint}`)));
  const form = h('form', { class: 'sheet stack', 'aria-label': 'Send a file', onsubmit: submit },
    session.operator && h('div', { class: 'field' },
      h('label', { for: ids.key }, 'API key of the client that sends'), key,
      h('p', { class: 'hint' }, h('code', {}, 'txp clients add NAME --merchants A,B'), ' prints one. It stays in this tab only.')),
    drop,
    h('fieldset', { class: 'fields' }, h('legend', {}, 'Options'),
      check('dry_run', 'Dry run', 'check it and keep nothing'),
      check('strict', 'Strict', 'one bad row refuses the whole file'),
      h('div', { class: 'field' }, h('label', { for: ids.currency }, 'Currency of rows that name none'), h('input', { id: ids.currency, name: 'currency', placeholder: 'USD', maxlength: 3 })),
      h('div', { class: 'field' }, h('label', { for: ids.zone }, 'Time zone of times that name none'), h('input', { id: ids.zone, name: 'time_zone', placeholder: 'Europe/Berlin' })),
      h('div', { class: 'field' }, h('label', { for: ids.columns }, 'Columns that have other names in the file, one a line'),
        h('textarea', { id: ids.columns, name: 'columns', rows: 2, spellcheck: 'false', placeholder: 'txn_ref = transaction_id' }))),
    trouble,
    h('p', {}, button));
  return form;
}

/** The names of columns that a text maps to ours, or the first line that does not. */
function columnsOf(text) {
  const columns = {};
  for (const line of text.split('\n').map((one) => one.trim()).filter(Boolean)) {
    const at = line.lastIndexOf('=');
    const [theirs, ours] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 0 || !theirs || !ours) return { columns, wrong: line };
    columns[theirs] = ours;
  }
  return { columns, wrong: null };
}

/** One file on its way. */
class Run {
  constructor(file, signal, announce) {
    this.file = file;
    this.signal = signal;
    this.announce = announce;
    this.link = step('A link for it');
    this.body = step('The file goes there');
    this.work = step('It is read, recorded and judged');
    this.title = h('h2', {}, file.name);
    this.state = h('span');
    this.report = h('div', { class: 'stack' });
    this.element = h('section', { class: 'stack', 'aria-label': file.name },
      h('div', { class: 'sheet stack' }, h('div', { class: 'row' }, this.title, this.state),
        h('ol', { class: 'steps' }, this.link.element, this.body.element, this.work.element)),
      this.report);
  }

  async go(options, key) {
    try {
      const link = await this.ask(options, key);
      await this.put(link);
      await this.watch(link.upload_id, key);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!(error instanceof Problem)) throw error;
      [this.link, this.body, this.work].find((one) => one.state === 'now')?.set('failed');
      put(this.report, problemBox(error));
      this.announce(`${this.file.name}: ${error.title}. ${error.detail ?? ''}`);
    }
  }

  async ask(options, key) {
    this.link.set('now', 'asking');
    const sha256 = await digest(this.file);
    const request = { filename: this.file.name, content_length: this.file.size, ...(sha256 && { sha256 }), ...options };
    const link = await ask('/upload', { who: 'client', key, method: 'POST', body: request, signal: this.signal });
    this.link.set('done', sha256 ? `bound to ${bytes(this.file.size)} and SHA-256 ${sha256.slice(0, 8)}…` : `bound to ${bytes(this.file.size)}`);
    return link;
  }

  async put(link) {
    this.body.set('now', 'sending');
    await send(link, this.file, (sent, total) => this.body.progress(total ? Math.floor((sent / total) * 100) : 100, `${bytes(sent)} of ${bytes(total)}`), this.signal);
    this.body.progress(100);
    this.body.set('done', `${bytes(this.file.size)} arrived`);
  }

  async watch(id, key) {
    this.work.set('now', 'waiting');
    await poll(1, this.signal, async (signal) => {
      const one = await ask(`/uploads/${id}`, { who: 'client', key, signal });
      put(this.state, stateBadge(one.state));
      this.work.progress(one.percent, one.percent === null ? 'reading' : `${one.percent}%, ${things(one.counts.accepted, 'row')} accepted so far`);
      put(this.report, uploadReport(one, () => ask(`/uploads/${id}/rejects`, { who: 'client', key, as: 'blob' })));
      if (one.poll_after_s === null) {
        this.work.progress(100);
        this.work.set(one.state === 'failed' ? 'failed' : 'done', one.rows === null ? '' : things(one.rows, 'row'));
        this.announce(`${this.file.name}: ${one.state}. ${one.counts.accepted} accepted, ${one.counts.rejected} rejected.`);
      }
      // Somebody watches: more often than a program would ask.
      return one.poll_after_s === null ? null : 0.5;
    });
  }
}

const MARKS = { next: '○', now: '●', done: '✓', failed: '✗' };
const SAID = { next: 'still to come', now: 'under way', done: 'done', failed: 'failed' };

function step(text) {
  const mark = h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS.next);
  const said = h('span', { class: 'unseen' }, SAID.next);
  const detail = h('span', { class: 'detail' });
  const line = bar(0, text);
  line.hidden = true;
  const element = h('li', {}, mark, h('span', {}, text, ' ', said), line, detail);
  return {
    element,
    state: 'next',
    set(state, words) {
      this.state = state;
      element.className = state;
      put(mark, MARKS[state]);
      put(said, SAID[state]);
      if (words !== undefined) put(detail, words);
    },
    progress(percent, words) {
      line.hidden = false;
      line.firstElementChild.style.width = `${percent ?? 0}%`;
      if (percent === null) line.removeAttribute('aria-valuenow');
      else line.setAttribute('aria-valuenow', percent);
      if (words !== undefined) put(detail, words);
    },
  };
}

/** SHA-256 of a file, where the browser makes one: on this machine, or over https. */
async function digest(file) {
  if (!crypto.subtle || file.size > DIGEST_BYTES_MAX) return null;
  const hash = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
