// Who is it? The operator, by the token of the data directory, or a merchant, by its key.

import { ask, Problem } from './api.js';
import { freshId, h, put } from './dom.js';
import { problemBox } from './parts.js';
import { session } from './session.js';

export async function signIn({ root, refusal }) {
  put(root,
    h('div', {},
      h('h1', {}, 'Sign in'),
      h('p', { class: 'soft' }, 'This page holds no data of its own. It stays signed in until the tab is closed.')),
    refusal && problemBox(refusal),
    h('div', { class: 'columns' },
      card({
        title: 'Operator',
        about: 'Dashboards, everybody’s uploads, alerts with their explanation, any transaction.',
        label: 'Operator token',
        hint: ['On the server’s machine, ', h('code', {}, 'txp operator-token'), ' prints it; with ',
          h('code', {}, '--data-dir'), ' where serve was given one.'],
        check: (key) => ask('/operator/overview', { who: 'operator', key }),
        keep: (token) => session.setOperator(token),
      }),
      card({
        title: 'Merchant',
        about: 'Send a file, watch it being processed, see your uploads and transactions.',
        label: 'API key',
        hint: ['The key that the operator gave you; ', h('code', {}, 'txp clients add NAME'), ' prints one, once.'],
        check: (key) => ask('/uploads?limit=1', { who: 'client', key }),
        keep: (key) => session.setClient(key),
      })));
}

function card({ title, about, label, hint, check, keep }) {
  const id = freshId('secret');
  const problem = h('div', { role: 'alert' });
  const input = h('input', {
    id, type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-describedby': `${id}-hint`,
  });
  const button = h('button', { class: 'main', type: 'submit' }, `Sign in as ${title.toLowerCase()}`);
  const submit = async (event) => {
    event.preventDefault();
    const secret = input.value.trim();
    if (!secret) return;
    put(problem);
    button.disabled = true;
    try {
      await check(secret);
      keep(secret);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      put(problem, problemBox(error));
      input.select();
    } finally {
      button.disabled = false;
    }
  };
  return h('form', { class: 'sheet stack', onsubmit: submit, 'aria-label': title },
    h('h2', {}, title),
    h('p', { class: 'soft' }, about),
    h('div', { class: 'field' },
      h('label', { for: id }, label), input,
      h('p', { class: 'hint', id: `${id}-hint` }, hint)),
    problem,
    button);
}
