// From the server's points and a panel of a dashboard to lines that can be drawn.
//
// A panel names metrics as dashboards/README.md says; what only AWS has is left out, and so is
// arithmetic over it. Pure: no document, no clock.

/** Half an hour of five seconds, a day of minutes: which ring has a range, and how wide its buckets are. */
export const RANGES = [
  { name: '15 min', seconds: 900, resolution: 'fine', bucket: 10 },
  { name: '1 h', seconds: 3600, resolution: 'coarse', bucket: 60 },
  { name: '3 h', seconds: 10800, resolution: 'coarse', bucket: 120 },
  { name: '24 h', seconds: 86400, resolution: 'coarse', bucket: 900 },
];

const KEPT_POINTS_MAX = 3000;
const LINES_MAX = 8;

/** The points that came so far. A restart of the server leaves a gap and forgets nothing. */
export class Store {
  constructor() {
    this.epoch = null;
    this.next = 0;
    this.stepSeconds = 5;
    this.times = [];
    this.series = new Map();
  }

  /** What to ask for. */
  query(resolution) {
    const since = this.epoch ? `&epoch=${this.epoch}&since=${this.next}` : '';
    return `resolution=${resolution}${since}`;
  }

  /** Takes an answer up. */
  add(answer) {
    const last = this.times.at(-1) ?? -Infinity;
    const skipped = answer.times.filter((time) => time <= last).length;
    const had = this.times.length;
    this.times.push(...answer.times.slice(skipped));
    for (const one of answer.series) {
      const key = JSON.stringify([one.metric, Object.entries(one.labels).sort()]);
      let mine = this.series.get(key);
      if (!mine) {
        mine = { metric: one.metric, labels: one.labels, kind: one.kind, bounds: one.bounds, values: [] };
        this.series.set(key, mine);
      }
      while (mine.values.length < had) mine.values.push(null);
      mine.values.push(...one.values.slice(skipped));
    }
    const surplus = this.times.length - KEPT_POINTS_MAX;
    if (surplus > 0) this.times.splice(0, surplus);
    for (const mine of this.series.values()) {
      while (mine.values.length < this.times.length + Math.max(surplus, 0)) mine.values.push(null);
      if (surplus > 0) mine.values.splice(0, surplus);
    }
    this.epoch = answer.epoch;
    this.next = answer.next;
    this.stepSeconds = answer.step_seconds;
  }

  /** The series of a metric with exactly these labels' names, or any. */
  of(metric) {
    return [...this.series.values()].filter((one) => one.metric === metric);
  }
}

/** Where the buckets of a range begin; the last one is whole. */
export function buckets(store, range) {
  const width = range.bucket * 1000;
  const newest = store.times.at(-1) ?? 0;
  const end = Math.floor(newest / width) * width;
  const number = Math.round(range.seconds / range.bucket);
  return Array.from({ length: number }, (_, at) => end - (number - at) * width);
}

/** A series by bucket: null where the server was not there, or nothing came that could be averaged. */
export function valuesOf(store, series, stat, starts, bucketSeconds) {
  const width = bucketSeconds * 1000;
  const first = starts[0];
  const heaps = starts.map(() => []);
  store.times.forEach((time, at) => {
    // A point tells of the stretch before its time.
    const bucket = Math.floor((time - 1 - first) / width);
    if (bucket >= 0 && bucket < heaps.length) heaps[bucket].push(series ? series.values[at] : null);
  });
  return heaps.map((heap) => (heap.length === 0 ? null : combine(heap, series, stat)));
}

function combine(heap, series, stat) {
  const known = heap.filter((value) => value !== null);
  switch (series?.kind) {
    case 'gauge': return known.length === 0 ? null : standing(known, stat);
    case 'histogram': return many(known, series.bounds, stat);
    default: return known.reduce((sum, value) => sum + value, 0);
  }
}

function standing(known, stat) {
  if (stat === 'Minimum') return Math.min(...known);
  if (stat === 'Average') return known.reduce((sum, value) => sum + value, 0) / known.length;
  return Math.max(...known);
}

function many(known, bounds, stat) {
  let count = 0;
  let sum = 0;
  const atMost = bounds.map(() => 0);
  for (const value of known) {
    if (!Array.isArray(value)) continue;
    count += value[0];
    sum += value[1];
    value[2].forEach((number, at) => { atMost[at] += number; });
  }
  if (stat === 'SampleCount') return count;
  if (count === 0) return null;
  if (stat === 'Average') return sum / count;
  const rank = stat === 'Maximum' ? count : count * (Number(stat.slice(1)) / 100);
  return atRank(rank, bounds, atMost, stat === 'Maximum');
}

/** The value at a rank: in its bucket in proportion, or the bucket's end for the highest. */
function atRank(rank, bounds, atMost, isMaximum) {
  const at = atMost.findIndex((number) => number >= rank);
  if (at < 0) return bounds.at(-1);
  if (isMaximum) return bounds[at];
  const below = at === 0 ? 0 : atMost[at - 1];
  const from = at === 0 ? 0 : bounds[at - 1];
  const inside = atMost[at] - below;
  return inside === 0 ? bounds[at] : from + (bounds[at] - from) * ((rank - below) / inside);
}

const SEARCH = /^\s*SEARCH\('\{"([^"]+)",([^}]+)\} MetricName="([^"]+)"', '([^']+)', \d+\)\s*$/;
const OURS = 'transaction-processor-';

/** What a panel asks for here: `{metric, stat, label, split, right}`; others are counted. */
export function questions(properties, metrics) {
  const asked = [];
  let elsewhere = 0;
  const hidden = (options) => options?.visible === false;
  for (const line of properties.metrics ?? []) {
    const options = typeof line.at(-1) === 'object' ? line.at(-1) : {};
    const search = typeof options.expression === 'string' && options.expression.match(SEARCH);
    const [space, name, stat] = search ? [search[1], search[3], search[4]] : [line[0], line[1], options.stat ?? properties.stat];
    const isOurs = typeof space === 'string' && space.startsWith(OURS) && metrics.get(name)?.embedded;
    if (!isOurs || hidden(options)) {
      elsewhere += hidden(options) ? 0 : 1;
      continue;
    }
    asked.push({
      metric: name, stat, label: options.label || null, split: Boolean(search), right: options.yAxis === 'right',
    });
  }
  return { asked, elsewhere };
}

/** The lines of a panel: label, one value per bucket, which axis. */
export function linesOf(store, asked, starts, bucketSeconds) {
  const lines = [];
  for (const one of asked) {
    const found = store.of(one.metric);
    const series = one.split ? found : [found.find((known) => Object.keys(known.labels).length === 0) ?? found[0]];
    for (const known of series) {
      const name = known && Object.values(known.labels).join(' ');
      lines.push({
        label: one.split ? name || one.metric : one.label ?? one.metric,
        right: one.right,
        stat: one.stat,
        values: valuesOf(store, known, one.stat, starts, bucketSeconds),
      });
    }
  }
  return strongest(lines);
}

/** No more lines than can be told apart: the weaker ones together. */
function strongest(lines) {
  const weight = (line) => line.values.reduce((sum, value) => sum + (value ?? 0), 0);
  if (lines.length <= LINES_MAX || lines.some((line) => line.stat !== 'Sum')) return lines.slice(0, LINES_MAX);
  const sorted = [...lines].sort((a, b) => weight(b) - weight(a));
  const rest = sorted.slice(LINES_MAX - 1);
  const together = {
    label: `${rest.length} others`, right: false, stat: 'Sum',
    values: rest[0].values.map((_, at) => {
      const known = rest.map((line) => line.values[at]).filter((value) => value !== null);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
    }),
  };
  return [...sorted.slice(0, LINES_MAX - 1), together];
}

/** All of a counter within the last so many seconds, over its labels. */
export function sumWithin(store, metric, seconds) {
  const from = (store.times.at(-1) ?? 0) - seconds * 1000;
  return store.of(metric).reduce((sum, one) => sum + store.times.reduce(
    (inner, time, at) => inner + (time > from && typeof one.values[at] === 'number' ? one.values[at] : 0), 0), 0);
}

/** The last value of a gauge. */
export function lastOf(store, metric) {
  const [one] = store.of(metric);
  return one ? one.values.findLast((value) => value !== null) ?? null : null;
}

/** A statistic of a histogram over all that is known. */
export function overall(store, metric, stat) {
  const [one] = store.of(metric);
  return one ? many(one.values.filter((value) => value !== null), one.bounds, stat) : null;
}
