// Lines over time, drawn as SVG: axes with round numbers, gaps where nothing is known, a cursor for
// pointer and arrow keys.

import { put, svg } from './dom.js';
import { atClock, figure } from './format.js';

const HEIGHT = 150;
const TOP = 8;
const BOTTOM = 20;
const TICKS = 4;

/**
 * Draws into an SVG element of this width. `lines` have one value for each of `starts`.
 * Gives back where things are, for the cursor.
 */
export function draw(element, width, { starts, bucketSeconds, lines, limits = [], stacked = false }) {
  // What has the right side for itself stands on the left.
  const isOneSided = lines.every((line) => line.right);
  const left = lines.filter((line) => isOneSided || !line.right);
  const right = lines.filter((line) => !isOneSided && line.right);
  const shown = stacked ? stack(left) : left.map((line) => ({ ...line, base: null }));
  const scale = scaleOf([...shown.flatMap((line) => line.values), ...limits.map((limit) => limit.value)], limits.length > 0 ? shown.flatMap((line) => line.values) : null);
  const other = right.length > 0 ? scaleOf(right.flatMap((line) => line.values)) : null;
  const margin = { left: gutter(scale), right: other ? gutter(other) : 6 };
  const inner = Math.max(width - margin.left - margin.right, 10);
  const x = (at) => margin.left + (starts.length < 2 ? inner : (at / (starts.length - 1)) * inner);
  const y = (value, of = scale) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / of.top);
  element.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  put(element,
    axis(scale, y, margin.left - 6, 'end', [margin.left, width - margin.right]),
    other && axis(other, (value) => y(value, other), width - margin.right + 6, 'start', null),
    times(starts, bucketSeconds, x, width),
    shown.map((line) => path(line, x, y, scale)).reverse(),
    right.map((line) => path({ ...line, base: null }, x, (value) => y(value, other), other)),
    limits.filter((limit) => limit.value <= scale.top).map((limit) => [
      svg('line', { class: 'limit', x1: margin.left, x2: width - margin.right, y1: y(limit.value), y2: y(limit.value) }),
      svg('text', { class: 'limit-label', x: width - margin.right, y: y(limit.value) + (y(limit.value) < TOP + 12 ? 12 : -4), 'text-anchor': 'end' }, limit.label ?? ''),
    ]),
    svg('line', { class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' }));
  return { x, at: (position) => Math.max(0, Math.min(starts.length - 1, Math.round(((position - margin.left) / inner) * (starts.length - 1)))) };
}

/** Moves the cursor to a bucket, or hides it. */
export function point(element, layout, at) {
  const cursor = element.querySelector('.cursor');
  if (!cursor) return;
  cursor.setAttribute('visibility', at === null ? 'hidden' : 'visible');
  if (at === null) return;
  cursor.setAttribute('x1', layout.x(at));
  cursor.setAttribute('x2', layout.x(at));
}

/** From zero to a round number above all values. A limit far above them does not press them flat. */
function scaleOf(values, without) {
  const known = (of) => of.filter((value) => value !== null && Number.isFinite(value));
  let most = Math.max(0, ...known(values));
  const own = Math.max(0, ...known(without ?? []));
  if (without && most > own * 4 && own > 0) most = own;
  if (most === 0) most = 1;
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate * TICKS >= most * 0.999);
  return { top: step * TICKS, ticks: Array.from({ length: TICKS + 1 }, (_, at) => at * step) };
}

const gutter = (scale) => 14 + 6.6 * Math.max(...scale.ticks.map((tick) => figure(tick).length));

function axis(scale, y, x, anchor, grid) {
  return scale.ticks.map((tick) => [
    grid && svg('line', { class: 'grid', x1: grid[0], x2: grid[1], y1: Math.round(y(tick)), y2: Math.round(y(tick)) }),
    svg('text', { x, y: y(tick) + 3.5, 'text-anchor': anchor }, figure(tick)),
  ]);
}

function times(starts, bucketSeconds, x, width) {
  if (starts.length === 0) return [];
  const number = width < 340 ? 2 : 4;
  const end = starts.at(-1) + bucketSeconds * 1000;
  return Array.from({ length: number }, (_, at) => {
    const part = at / (number - 1);
    const anchor = at === 0 ? 'start' : at === number - 1 ? 'end' : 'middle';
    return svg('text', { x: x(part * (starts.length - 1)), y: HEIGHT - 5, 'text-anchor': anchor }, atClock(starts[0] + part * (end - starts[0])));
  });
}

/** Each line on top of the ones before it. */
function stack(lines) {
  const sums = lines[0]?.values.map(() => 0) ?? [];
  return lines.map((line) => {
    const base = [...sums];
    const values = line.values.map((value, at) => {
      if (value === null) return null;
      sums[at] += value;
      return sums[at];
    });
    return { ...line, values, base };
  });
}

function path(line, x, y, scale) {
  const clip = (value) => y(Math.min(value, scale.top));
  const pieces = runs(line.values);
  const place = (at) => `${x(at).toFixed(1)},${clip(line.values[at]).toFixed(1)}`;
  const stroke = pieces.filter(([from, to]) => to > from).map(([from, to]) => `M${range(from, to).map(place).join('L')}`).join('');
  // One value alone would be no line.
  const dots = pieces.filter(([from, to]) => to === from).map(([at]) => `M${place(at)}h0.01`).join('');
  const area = line.base && pieces.map(([from, to]) => {
    const above = range(from, to).map(place);
    const below = range(from, to).reverse().map((at) => `${x(at).toFixed(1)},${clip(line.base[at]).toFixed(1)}`);
    return `M${above.join('L')}L${below.join('L')}Z`;
  }).join('');
  return svg('g', { class: line.tone },
    area && svg('path', { class: 'area', d: area }),
    stroke && svg('path', { class: `line ${line.tone}`, d: stroke }),
    dots && svg('path', { class: 'dot', d: dots }));
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** Stretches without a gap. */
function runs(values) {
  const found = [];
  let from = null;
  values.forEach((value, at) => {
    if (value !== null && from === null) from = at;
    if (value === null && from !== null) {
      found.push([from, at - 1]);
      from = null;
    }
  });
  if (from !== null) found.push([from, values.length - 1]);
  return found;
}

/** A small line without axes, for a tile. */
export function spark(element, values) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(1, ...known);
  const x = (at) => (at / Math.max(values.length - 1, 1)) * 100;
  const y = (value) => 24 - (value / most) * 22;
  element.setAttribute('viewBox', '0 0 100 26');
  element.setAttribute('preserveAspectRatio', 'none');
  const pieces = runs(values).map(([from, to]) => range(from, to).map((at) => `${x(at).toFixed(1)},${y(values[at]).toFixed(1)}`));
  put(element,
    svg('path', { class: 'area', d: pieces.map((points) => `M${points[0].split(',')[0]},24L${points.join('L')}L${points.at(-1).split(',')[0]},24Z`).join('') || 'M0 0' }),
    svg('path', { class: 'line', 'vector-effect': 'non-scaling-stroke', d: pieces.map((points) => `M${points.join('L')}`).join('') || 'M0 0' }));
}
