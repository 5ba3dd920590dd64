// What is going on, at a glance: whether all is well, what is not and what to do, and the latest.

import { operator, own } from './api.js';
import { spark } from './chart.js';
import { h, put, say, svg } from './dom.js';
import { count, duration, figure, moment, things } from './format.js';
import { buckets, lastOf, overall, RANGES, sumWithin, valuesOf } from './evaluate.js';
import { poll } from './live.js';
import { empty } from './parts.js';
import { drawAlerts } from './view_alerts.js';
import { alarmsNow, refresh } from './view_dashboard.js';
import { uploadTable } from './view_uploads.js';

const LATEST = 5;
const RANGE = RANGES[0];
const PROMISED_SECONDS = 300;
const BEHIND_SECONDS = 60;

export async function overview({ root, signal, announce }) {
  const verdict = h('section', { class: 'sheet verdict', 'aria-label': 'How it goes' }, h('h1', {}, 'Looking…'));
  const tiles = makeTiles();
  const uploads = uploadTable('The latest uploads');
  const noUploads = h('div', { hidden: true }, empty('No uploads yet', h('a', { href: '#/send' }, 'Send a file'), ' to see how it goes.'));
  const alerts = h('ol', { class: 'alerts' });
  const noAlerts = h('div', { hidden: true }, empty('No alerts', 'Nothing that the rules look for has come.'));
  const foot = h('p', { class: 'small soft' });
  put(root, verdict, tiles.element,
    h('section', { class: 'sheet' }, h('div', { class: 'head' }, h('h2', {}, 'Latest uploads'), h('a', { href: '#/uploads' }, 'All uploads')), uploads.element, noUploads),
    h('section', { class: 'sheet' }, h('div', { class: 'head' }, h('h2', {}, 'Latest alerts'), h('a', { href: '#/alerts' }, 'All alerts')), alerts, noAlerts),
    foot);
  let before = '';
  await poll(3, signal, async () => {
    const [now, latest, found, store, judged] = await Promise.all([
      operator.overview({ signal }), own.uploads(`limit=${LATEST}`, { signal }),
      operator.alerts(`limit=${LATEST}`, { signal }), refresh(RANGE.resolution, signal), alarmsNow(signal)]);
    const said = judge(now, store, judged.alarms);
    drawVerdict(verdict, said);
    if (before && before !== said.title) announce(said.title);
    before = said.title;
    tiles.draw(now, store);
    uploads.draw(latest.uploads);
    uploads.element.hidden = latest.uploads.length === 0;
    noUploads.hidden = latest.uploads.length > 0;
    drawAlerts(alerts, found.alerts);
    alerts.hidden = found.alerts.length === 0;
    noAlerts.hidden = found.alerts.length > 0;
    say(foot, `Version ${now.version}, rule set ${now.rule_set ?? 'none'}, up since ${moment(now.started_at)}. As of event ${now.as_of.sequence}, ${moment(now.as_of.time)}.`);
  });
}

/** What needs care, gravest first; nothing of it, and all is well. Alarms look at minutes, the rest at now. */
function judge(now, store, alarms) {
  const care = [];
  if (!now.recording) care.push(['bad', 'Recording has stopped', now.failure]);
  for (const { text: { text, section } } of alarms.filter((one) => one.isOn)) {
    care.push(['bad', text.replace(/\.$/, ''), `Alarm ${section}: what to do stands in RUNBOOK.md under that name.`]);
  }
  const isOn = (name) => alarms.some((one) => one.name === name && one.isOn);
  if (now.oldest_waiting_seconds > PROMISED_SECONDS && !isOn('oldest-unprocessed')) {
    care.push(['bad', `A file waits for ${duration(now.oldest_waiting_seconds)}, longer than the ${PROMISED_SECONDS} s that are promised`, 'See under Uploads which one, and under Dashboards where it is stuck.']);
  }
  const behind = lastOf(store, 'lag_seconds');
  if (behind > BEHIND_SECONDS) care.push(['warn', `The state is ${duration(behind)} behind the history`, 'It catches up by itself; look at the dashboards if it grows.']);
  const failures = sumWithin(store, 'alert_failures', RANGE.seconds);
  if (failures > 0 && !isOn('alert-delivery')) care.push(['warn', `Handing on alerts failed ${things(failures, 'time')} in the last ${RANGE.name}`, 'Each is tried again; look at the server’s log for the reason.']);
  if (now.quarantined > 0 && !isOn('quarantine')) care.push(['warn', `${things(now.quarantined, 'event')} in quarantine`, 'They cannot be processed; `txp doctor` names them and what to do.']);
  const tone = care.some(([of]) => of === 'bad') ? 'bad' : care.length > 0 ? 'warn' : 'good';
  const busy = now.reading + now.waiting;
  const doing = busy === 0 ? 'Nothing waits to be read.' : `${things(now.reading, 'file')} being read, ${count(now.waiting)} waiting.`;
  return { tone, title: care.length === 0 ? 'All is well' : care[0][1], care, doing };
}

function drawVerdict(element, said) {
  const print = JSON.stringify(said);
  if (element.dataset.print === print) return;
  element.dataset.print = print;
  element.className = `sheet verdict ${said.tone}`;
  const rest = said.care.slice(1);
  put(element,
    h('h1', {}, said.title),
    said.care[0]?.[2] && h('p', {}, said.care[0][2]),
    rest.length > 0 && h('ul', {}, rest.map(([, title, what]) => h('li', {}, h('strong', {}, title), `. ${what}`))),
    h('p', { class: 'soft' }, said.doing));
}

function makeTiles() {
  const tile = (name) => {
    const value = h('dd', { class: 'value' }, '…');
    const note = h('dd', { class: 'note' });
    const line = svg('svg', { class: 'spark', 'aria-hidden': 'true' });
    return { element: h('div', { class: 'tile' }, h('dt', {}, name), value, note, h('dd', {}, line)), value, note, line };
  };
  const rows = tile('Rows read');
  const rejected = tile('Rows rejected');
  const findings = tile('Findings');
  const inTime = tile(`Completed in ${PROMISED_SECONDS} s`);
  const waiting = tile('Files in work');
  const requests = tile('Requests');
  const within = `last ${RANGE.name}`;
  const draw = (now, store) => {
    const starts = buckets(store, RANGE);
    const line = (metric, stat = 'Sum') => {
      const of = store.of(metric).map((one) => valuesOf(store, one, stat, starts, RANGE.bucket));
      return starts.map((_, at) => {
        const known = of.map((values) => values[at]).filter((value) => value !== null);
        return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
      });
    };
    const sum = (metric) => sumWithin(store, metric, RANGE.seconds);
    const read = sum('rows_read');
    const bad = Math.max(0, read - sum('rows_valid'));
    fill(rows, figure(read), within, line('rows_read'));
    fill(rejected, figure(bad), read === 0 ? within : `${figure((bad / read) * 100)}% of the rows, ${within}`, line('rows_rejected'));
    fill(findings, figure(sum('findings')), `${within}; ${count(now.findings)} in all`, line('findings'));
    const share = overall(store, 'completed_in_time_percent', 'Average');
    fill(inTime, share === null ? '–' : `${figure(share)}%`, share === null ? 'no file was completed lately' : 'of the files of the last 30 min', line('upload_to_completed_seconds', 'Maximum'));
    fill(waiting, count(now.reading + now.waiting), now.oldest_waiting_seconds === null ? 'nothing waits' : `the oldest for ${duration(now.oldest_waiting_seconds)}`, line('uploads_unfinished', 'Maximum'));
    const slow = overall(store, 'request_milliseconds', 'p99');
    fill(requests, figure(sum('requests')), slow === null ? within : `${within}; 99 of 100 below ${figure(slow)} ms`, line('requests'));
  };
  const fill = (one, value, note, values) => {
    say(one.value, value);
    say(one.note, note);
    spark(one.line, values);
  };
  return { element: h('dl', { class: 'tiles' }, [rows, rejected, findings, inTime, waiting, requests].map((one) => one.element)), draw };
}
