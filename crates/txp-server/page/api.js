// Asking the server. Every failure says what, where and what to do.

import { session } from './session.js';

/** A problem document of the server, or that there was no answer. */
export class Problem extends Error {
  constructor({ status = 0, title, detail, hint, type = '', instance, choices, errors }) {
    super(title);
    Object.assign(this, { status, title, detail, hint, instance, choices: choices ?? [], errors: errors ?? [] });
    this.kind = type.split(':').pop();
  }
}

const odd = () => new Problem({
  status: 400,
  title: 'That cannot be a key or token',
  detail: 'It holds blanks or letters that neither has.',
  hint: 'Copy it whole, as it was printed.',
});

const noAnswer = () => new Problem({
  title: 'The server does not answer',
  detail: 'No connection to it could be made.',
  hint: 'Look whether `txp serve` is running; the page tries again by itself.',
});

/** Asks, as the operator or as a client; JSON unless `as` says otherwise. */
export async function ask(path, { as = 'json', who = null, key = null, method = 'GET', body, signal } = {}) {
  const headers = {};
  if (who === 'operator') headers['x-operator-token'] = key ?? session.operator ?? '';
  if (who === 'client') headers['x-api-key'] = key ?? session.client ?? '';
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (Object.values(headers).some((value) => /[^\x21-\x7e]/.test(value))) throw odd();
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, signal, cache: 'no-store', referrerPolicy: 'no-referrer',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw noAnswer();
  }
  if (!answer.ok) throw await problemOf(answer);
  return as === 'blob' ? answer.blob() : answer.json();
}

async function problemOf(answer) {
  let document = {};
  try {
    document = await answer.json();
  } catch {
    // Something between us and the server answered.
  }
  return new Problem({
    title: `The server answered ${answer.status}`, detail: '', hint: 'Try again.', ...document, status: answer.status,
  });
}

/** Whoever is in: the operator's routes, or a client's own. */
export const own = {
  uploads: (query, options) => (session.operator
    ? ask(`/operator/uploads?${query}`, { who: 'operator', ...options })
    : ask(`/uploads?${query}`, { who: 'client', ...options })),
  upload: (id, options) => (session.operator
    ? ask(`/operator/uploads/${encodeURIComponent(id)}`, { who: 'operator', ...options })
    : ask(`/uploads/${encodeURIComponent(id)}`, { who: 'client', ...options })),
  rejects: (id) => (session.operator
    ? ask(`/operator/uploads/${encodeURIComponent(id)}/rejects`, { who: 'operator', as: 'blob' })
    : ask(`/uploads/${encodeURIComponent(id)}/rejects`, { who: 'client', as: 'blob' })),
  transaction: (id, merchant, options) => {
    const query = merchant ? `?merchant_id=${encodeURIComponent(merchant)}` : '';
    return session.operator
      ? ask(`/operator/transactions/${encodeURIComponent(id)}${query}`, { who: 'operator', ...options })
      : ask(`/status/${encodeURIComponent(id)}${query}`, { who: 'client', ...options });
  },
};

/** What only the operator may ask. */
export const operator = {
  overview: (options) => ask('/operator/overview', { who: 'operator', ...options }),
  alerts: (query, options) => ask(`/operator/alerts?${query}`, { who: 'operator', ...options }),
  series: (query, options) => ask(`/operator/series?${query}`, { who: 'operator', ...options }),
};

/** Sends a file to a link, telling how many bytes went. */
export function send(link, file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(link.method, link.url);
    for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
    request.responseType = 'text';
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded, event.total));
    request.addEventListener('error', () => reject(noAnswer()));
    request.addEventListener('abort', () => reject(new DOMException('given up', 'AbortError')));
    request.addEventListener('load', () => {
      let document = {};
      try {
        document = JSON.parse(request.responseText);
      } catch {
        // Told by the status alone.
      }
      if (request.status === 200) return resolve(document);
      reject(new Problem({ title: `The server answered ${request.status}`, hint: 'Try again.', ...document, status: request.status }));
    });
    signal?.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
