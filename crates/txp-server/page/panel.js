// One panel of a dashboard: title, unit, chart, legend with values, and the same as a table.

import { draw, point } from './chart.js';
import { h, put, say, svg } from './dom.js';
import { atClock, figure } from './format.js';
import { linesOf, questions } from './evaluate.js';

const SERIES_COLOURS = 8;
const TABLE_ROWS_MAX = 30;

/** A panel that can be drawn here, or null where all that it shows is AWS's. */
export function panel(properties, metrics, announce) {
  const { asked, elsewhere } = questions(properties, metrics);
  if (asked.length === 0) return null;
  const sums = asked.every((one) => one.stat === 'Sum');
  const isOneSided = asked.every((one) => one.right);
  const sides = ['left', 'right'].map((side) => properties.yAxis?.[side]?.label);
  const [label, other] = isOneSided ? [sides[1]] : asked.some((one) => one.right) ? sides : [sides[0]];
  const unit = h('p', { class: 'unit' });
  const chart = svg('svg', { class: 'chart', 'aria-hidden': 'true' });
  const frame = h('div', { role: 'img', tabindex: 0 }, chart);
  const legend = h('ul', { class: 'legend' });
  const nothing = h('p', { class: 'nothing', hidden: true }, 'Nothing of this kind was counted yet.');
  const table = h('details', {}, h('summary', {}, 'As a table'));
  const element = h('section', { class: 'panel', 'aria-label': properties.title },
    h('h3', {}, properties.title), unit, frame, nothing, legend, table,
    elsewhere > 0 && h('p', { class: 'unit' }, 'On AWS there is more on this panel.'));
  let state = null;
  let cursor = null;
  let isPointed = false;

  const redraw = () => {
    if (!state) return;
    const width = Math.round(frame.clientWidth);
    if (width < 40) return;
    state.layout = draw(chart, width, state);
    move(cursor);
  };
  const move = (at, tell) => {
    cursor = at;
    if (!state?.layout) return;
    point(chart, state.layout, at);
    drawLegend(legend, state, at);
    if (tell && at !== null) announce(reading(state, at));
  };
  frame.addEventListener('pointermove', (event) => {
    if (!state?.layout) return;
    isPointed = true;
    move(state.layout.at(event.clientX - frame.getBoundingClientRect().left));
  });
  frame.addEventListener('pointerleave', () => { isPointed = false; move(null); });
  frame.addEventListener('blur', () => { if (!isPointed) move(null); });
  frame.addEventListener('keydown', (event) => {
    const last = (state?.starts.length ?? 0) - 1;
    const wanted = { ArrowLeft: (cursor ?? last + 1) - 1, ArrowRight: (cursor ?? -1) + 1, Home: 0, End: last, Escape: null }[event.key];
    if (wanted === undefined || last < 0) return;
    event.preventDefault();
    move(wanted === null ? null : Math.max(0, Math.min(last, wanted)), true);
  });
  table.addEventListener('toggle', () => drawTable(table, state));
  const observer = new ResizeObserver(redraw);
  observer.observe(frame);

  return {
    element,
    /** Draws what the store has of a range. */
    update(store, starts, range) {
      const lines = linesOf(store, asked, starts, range.bucket);
      lines.forEach((line, at) => { line.tone = `s${at % SERIES_COLOURS}`; });
      const limits = (properties.annotations?.horizontal ?? []).filter((limit) => typeof limit.value === 'number');
      state = { starts, bucketSeconds: range.bucket, lines, limits, stacked: properties.stacked === true && sums, title: properties.title };
      say(unit, `${label ?? ''}${sums ? ` per ${range.bucket < 60 ? `${range.bucket} s` : `${range.bucket / 60} min`}` : ''}${other ? `; right: ${other}` : ''}`);
      const isThere = lines.some((line) => line.values.some((value) => value !== null));
      frame.hidden = !isThere;
      nothing.hidden = isThere;
      legend.hidden = !isThere;
      table.hidden = !isThere;
      frame.setAttribute('aria-label', summary(state, range));
      if (cursor !== null) cursor = Math.min(cursor, starts.length - 1);
      redraw();
      drawLegend(legend, state, cursor);
      drawTable(table, state);
    },
  };
}

/** What a line comes to: all of it where it is a sum, else where it stands. */
function total(line) {
  const known = line.values.filter((value) => value !== null);
  if (known.length === 0) return null;
  return line.stat === 'Sum' ? known.reduce((sum, value) => sum + value, 0) : known.at(-1);
}

function drawLegend(legend, { lines }, at) {
  const entries = lines.map((line) => {
    const value = at === null ? total(line) : line.values[at];
    return h('li', {},
      svg('svg', { viewBox: '0 0 14 8', 'aria-hidden': 'true', class: line.tone }, svg('line', { x1: 0, x2: 14, y1: 4, y2: 4 })),
      h('span', { class: 'name', title: line.label }, line.label),
      h('span', { class: 'value' }, figure(value)));
  });
  put(legend, entries);
}

const reading = (state, at) => `${atClock(state.starts[at], true)}: ${state.lines.map((line) => `${line.label} ${figure(line.values[at])}`).join(', ')}`;

function summary(state, range) {
  const lines = state.lines.map((line) => `${line.label} ${figure(total(line))}${line.stat === 'Sum' ? ' in all' : ''}`);
  return `${state.title}, last ${range.name}: ${lines.join(', ')}. Arrow keys read single values.`;
}

function drawTable(details, state) {
  details.querySelector('.scroll')?.remove();
  if (!details.open || !state) return;
  const rows = state.starts.map((start, at) => [start, at]).slice(-TABLE_ROWS_MAX).reverse();
  details.append(h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${state.title} as a table` }, h('table', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'From'), state.lines.map((line) => h('th', { scope: 'col', class: 'number' }, line.label)))),
    h('tbody', {}, rows.map(([start, at]) => h('tr', {},
      h('th', { scope: 'row' }, atClock(start, true)),
      state.lines.map((line) => h('td', { class: 'number' }, figure(line.values[at])))))))));
}
