// The dashboards that CloudWatch shows for a deployment, drawn over this server's own metrics.

import { ask, operator } from './api.js';
import { h, put } from './dom.js';
import { poll } from './live.js';
import { buckets, RANGES, Store } from './evaluate.js';
import { panel } from './panel.js';
import { judgeAlarms } from './alarms.js';
import { badge } from './parts.js';

const BOARDS = [['operations', 'Operations'], ['business', 'Business'], ['cost', 'Cost']];
const stores = { fine: new Store(), coarse: new Store() };
let chosen = RANGES[0];

/** What each metric is, by its name. */
export async function metricsByName(signal) {
  const { metrics } = await ask('/assets/metrics.json', { signal });
  return new Map(metrics.map((one) => [one.name, one]));
}

/** What the alarms say of the last minutes. */
export async function alarmsNow(signal) {
  const [defined, metrics, store] = await Promise.all([ask('/assets/alarms.json', { signal }), metricsByName(signal), refresh('coarse', signal)]);
  return judgeAlarms(defined, metrics, store);
}

/** Asks for the points since the last time. */
export async function refresh(resolution, signal) {
  const store = stores[resolution];
  store.add(await operator.series(store.query(resolution), { signal }));
  return store;
}

export async function dashboard({ parts: [name = 'operations'], root, signal, announce }) {
  const [key, title] = BOARDS.find(([known]) => known === name) ?? BOARDS[0];
  const [board, metrics] = await Promise.all([ask(`/assets/${key}.json`, { signal }), metricsByName(signal)]);
  if (signal.aborted) return;
  const { grid, panels, alarms, elsewhere } = layOut(board, metrics, announce);
  const ranges = h('div', { class: 'tabs', role: 'group', 'aria-label': 'Time range' });
  let again = () => {};
  const drawRanges = () => put(ranges, RANGES.map((range) => h('button', {
    type: 'button', 'aria-pressed': String(range === chosen), onclick: (event) => {
      chosen = range;
      for (const button of ranges.children) button.setAttribute('aria-pressed', String(button === event.currentTarget));
      again();
    },
  }, range.name)));
  drawRanges();
  put(root,
    h('div', { class: 'head' }, h('h1', {}, title), ranges),
    h('nav', { class: 'tabs', 'aria-label': 'Dashboards' }, BOARDS.map(([path, text]) => h('a', { href: `#/dashboards/${path}`, 'aria-current': path === key ? 'page' : null }, text))),
    grid,
    elsewhere.length > 0 && h('details', { class: 'soft' },
      h('summary', {}, `${elsewhere.length} panels show only what AWS measures`),
      h('ul', {}, elsewhere.map((text) => h('li', {}, text)))));
  const step = async (inner) => {
    const range = chosen;
    const store = await refresh(range.resolution, inner);
    const starts = buckets(store, range);
    for (const one of panels) one.update(store, starts, range);
    if (alarms.length > 0) drawAlarms(alarms, await alarmsNow(inner));
    return range.resolution === 'fine' ? 5 : 20;
  };
  again = () => { step(signal).catch(() => {}); };
  await poll(5, signal, step);
}

/** The widgets in reading order: panels, texts between them, and what cannot be drawn here. */
function layOut(board, metrics, announce) {
  const widgets = [...board.widgets].sort((a, b) => a.y - b.y || a.x - b.x);
  const grid = h('div', { class: 'board' });
  const panels = [];
  const alarms = [];
  const elsewhere = [];
  for (const widget of widgets) {
    if (widget.type === 'text') grid.append(text(widget.properties.markdown));
    if (widget.type === 'alarm') {
      const list = h('ul', { class: 'row' });
      alarms.push({ list, names: widget.properties.alarms.map((arn) => arn.split(':alarm:').pop().replace('-${environment}', '')) });
      grid.append(h('section', { class: 'panel board-text', 'aria-label': widget.properties.title }, h('h3', {}, widget.properties.title), list));
    }
    if (widget.type !== 'metric') continue;
    const drawn = panel(widget.properties, metrics, announce);
    if (!drawn) {
      elsewhere.push(widget.properties.title);
      continue;
    }
    drawn.element.style.gridColumn = `span ${widget.width}`;
    panels.push(drawn);
    grid.append(drawn.element);
  }
  dropEmptyTexts(grid);
  return { grid, panels, alarms, elsewhere };
}

/** The state of each alarm of a widget, in words. */
function drawAlarms(widgets, judged) {
  const known = new Map([...judged.alarms, ...judged.composites.filter((one) => one.isKnown)].map((one) => [one.name, one]));
  for (const { list, names } of widgets) {
    put(list, names.map((name) => {
      const one = known.get(name);
      const text = name.replaceAll('-', ' ');
      return h('li', { title: one?.text.text ?? 'Only AWS measures what it looks at' }, !one ? badge(`${text}: on AWS only`) : badge(`${text}: ${one.isOn ? 'ALARM' : 'ok'}`, one.isOn ? 'bad' : 'good'));
    }));
  }
}

/** A heading under which nothing is left says nothing. */
function dropEmptyTexts(grid) {
  const isText = (element) => element?.matches('.board-text:not(.panel)');
  for (const element of [...grid.children].reverse()) {
    if (isText(element) && !element.nextElementSibling) element.remove();
    else if (isText(element) && isText(element.nextElementSibling) && element !== grid.firstElementChild) element.remove();
  }
}

/** Headings and paragraphs; the environment is this server. */
function text(markdown) {
  const lines = markdown.replaceAll('(${environment})', '').replaceAll(' --env ${environment}', '').replaceAll('${environment}', 'this server').split('\n');
  return h('div', { class: 'board-text' }, lines.filter((line) => line.trim()).map((line) => {
    const heading = line.match(/^#+\s+(.*)$/);
    return heading ? h('h2', {}, inline(heading[1].trim())) : h('p', {}, inline(line));
  }));
}

const inline = (line) => line.split('`').map((part, at) => (at % 2 === 1 ? h('code', {}, part) : part));
