// The frame: who is in, where one is, and one view at a time.

import { h, put, say } from './dom.js';
import { atClock } from './format.js';
import { onConnection } from './live.js';
import { Problem } from './api.js';
import { session } from './session.js';
import { problemBox } from './parts.js';
import { overview } from './view_overview.js';
import { dashboard } from './view_dashboard.js';
import { uploads, upload } from './view_uploads.js';
import { alerts } from './view_alerts.js';
import { transaction } from './view_transaction.js';
import { sendFile } from './view_send.js';
import { signIn } from './view_signin.js';

/** Path, title, view; `operator` is for the operator only. */
const ROUTES = [
  { path: '', title: 'Overview', view: overview, operator: true },
  { path: 'dashboards', title: 'Dashboards', view: dashboard, operator: true },
  { path: 'uploads', title: 'Uploads', view: (place) => (place.parts[0] ? upload(place) : uploads(place)) },
  { path: 'alerts', title: 'Alerts', view: alerts, operator: true },
  { path: 'transactions', title: 'Transactions', view: transaction },
  { path: 'send', title: 'Send a file', view: sendFile },
];

const main = document.getElementById('view');
const nav = document.getElementById('nav');
const corner = document.getElementById('session');
const connection = h('span', { class: 'badge good', id: 'connection' }, 'live');
let current = new AbortController();
/** Why somebody is asked again who they are. */
let refusal = null;

/** What a screen reader is told of what happens elsewhere on the page. */
export const announce = (text) => say(document.getElementById('said'), text);

function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name = '', ...parts] = path.split('/').map(decodeURIComponent);
  return { name, parts, query: new URLSearchParams(query) };
}

function routes() {
  return ROUTES.filter((route) => session.operator || !route.operator);
}

function drawFrame(active) {
  nav.hidden = !session.isIn;
  const links = routes().map((route) => h('li', {}, h('a', {
    href: `#/${route.path}`, 'aria-current': route === active ? 'page' : null,
  }, route.title)));
  put(nav, h('ul', {}, links));
  nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  put(corner, session.isIn && [
    connection,
    h('button', { type: 'button', class: 'plain', onclick: () => { session.out(); location.hash = '#/'; } },
      session.operator ? 'Sign out' : 'Forget the key'),
  ]);
}

async function show({ focus = true } = {}) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const where = place();
  const known = routes();
  const route = session.isIn && (known.find((one) => one.path === where.name) ?? known[0]);
  drawFrame(route);
  document.title = `${route ? route.title : 'Sign in'} · transaction-processor`;
  const root = h('div', { class: 'stack' });
  put(main, root);
  if (focus) {
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  try {
    if (!route) await signIn({ root, refusal });
    else await route.view({ ...where, root, signal, announce });
  } catch (error) {
    if (signal.aborted || error.name === 'AbortError') return;
    if (error instanceof Problem && session.isIn && error.kind === (session.operator ? 'operator_refused' : 'key_refused')) {
      refusal = error;
      session.out();
      refusal = null;
      return;
    }
    if (!(error instanceof Problem)) console.error(error);
    put(root, h('h1', {}, route ? route.title : 'Sign in'), problemBox(error));
  }
}

onConnection(({ isThere, since }) => {
  connection.className = `badge ${isThere ? 'good' : 'bad'}`;
  say(connection, isThere ? 'live' : `no answer since ${atClock(since, true)}`);
  announce(isThere ? 'The server answers again.' : 'The server does not answer; the page tries again by itself.');
});

document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
session.onChange(() => show());
window.addEventListener('hashchange', () => show());
show({ focus: false });
