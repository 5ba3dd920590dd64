// `txp serve` under load: 64 files at once while transactions are asked for 500 times a second; then
// more links than it gives in a second. How long answers took is printed, not judged: a machine that
// does other things besides makes it what it likes. That nothing is lost, that nothing is answered
// with an error, and that who asks too much is told when to come back, is.
//
// usage: serve.js TXP PYTHON WORK_DIR [FILES]
//
// The last line is `N passed, N failed`.

'use strict';

const fs = require('fs');
const path = require('path');
const { spawn } = require('child_process');
const autocannon = require('autocannon');
const { Server } = require('../browser/server.js');

const UPLOADS_AT_ONCE = 64;
const ROWS_PER_FILE = 20000;
const STATUS_PER_SECOND = 500;
const STATUS_CONNECTIONS = 16;
// Who asks and who sends have machines of their own elsewhere. Here an answer would wait for its reader
// to get a processor, so the server gives way to the reader, and the senders to the server.
const SERVER_NICE = 5;
const SENDER_NICE = 19;
const FLOOD_SECONDS = 3;
const FLOOD_CONNECTIONS = 64;
const TOO_MANY_REQUESTS = 429;

/** Sends files as merchants do, all at once; what the sender tells, when it has ended. */
function upload(python, server, key, work, files, seed) {
  const figures = path.join(work, `figures-${seed}.json`);
  const script = path.join(__dirname, 'upload.py');
  const options = ['--url', server.origin, '--rows', ROWS_PER_FILE, '--files', files, '--parallel', UPLOADS_AT_ONCE, '--seed', seed];
  const env = { ...process.env, TXP_API_KEY: key, PYTHONDONTWRITEBYTECODE: '1' };
  const sender = spawn('nice', ['-n', SENDER_NICE, python, script, ...options, '--txp', server.txp, '--json', figures].map(String), { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const begun = new Promise((resolve) => { sender.once('spawn', resolve); });
  const ended = new Promise((resolve) => { sender.once('exit', (code) => resolve({ code, told: JSON.parse(fs.readFileSync(figures, 'utf8')) })); });
  return { begun, ended };
}

/** The transactions that there are. */
function ids(server, work) {
  const file = path.join(work, 'known.ndjson');
  server.run('transactions', '--format', 'ndjson', '--out', file);
  return fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line).transaction_id);
}

/**
 * Asks at this rate until it is told to stop. Times are those of single answers: the tool's correction
 * for those that were asked late takes them to be due every millisecond, whatever the rate.
 */
function ask(server, key, known) {
  const headers = { 'x-api-key': key };
  const requests = known.map((id) => ({ method: 'GET', path: `/status/${id}`, headers }));
  const running = autocannon({
    url: server.origin, connections: STATUS_CONNECTIONS, overallRate: STATUS_PER_SECOND, duration: 3600, requests,
    ignoreCoordinatedOmission: true,
  });
  const seen = {};
  running.on('response', (_client, status) => { seen[status] = (seen[status] || 0) + 1; });
  return { seen, stop: () => { running.stop(); return running; } };
}

/** As many links as the connections can ask for. */
function flood(server, key) {
  const seen = {};
  let silent = 0;
  const count = (status, _body, _context, headers) => {
    seen[status] = (seen[status] || 0) + 1;
    const names = Object.keys(headers || {}).map((name) => name.toLowerCase());
    if (status === TOO_MANY_REQUESTS && !names.includes('retry-after')) silent += 1;
  };
  const headers = { 'x-api-key': key, 'content-type': 'application/json' };
  const requests = [{ method: 'POST', path: '/upload', headers, body: '{}', onResponse: count }];
  const options = { url: server.origin, connections: FLOOD_CONNECTIONS, duration: FLOOD_SECONDS, requests };
  return autocannon(options).then(() => ({ seen, silent }));
}

async function main() {
  const [txp, python, work, files = String(2 * UPLOADS_AT_ONCE)] = process.argv.slice(2);
  fs.rmSync(work, { recursive: true, force: true });
  const counts = { passed: 0, failed: 0 };
  const check = (what, holds, found) => {
    counts[holds ? 'passed' : 'failed'] += 1;
    if (!holds) console.log(`FAILED  ${what}: ${JSON.stringify(found)}`);
  };
  const server = new Server(path.resolve(txp), path.resolve(work), SERVER_NICE);
  const merchant = server.client('merchant', '*');
  const reader = server.client('reader', '*');
  const flooder = server.client('flooder', '*');
  const known = path.join(work, 'known.csv');
  server.run('generate', '--rows', '2000', '--seed', '1', '--out', known);
  server.run('process', known);
  await server.start();
  try {
    const sent = upload(python, server, merchant, work, Number(files), 2);
    await sent.begun;
    const asked = ask(server, reader, ids(server, work));
    const { code, told } = await sent.ended;
    const { latency, duration } = await asked.stop();
    const rate = Math.round(asked.seen[200] / duration);
    console.log(`status while ${UPLOADS_AT_ONCE} files are sent at once: ${JSON.stringify(asked.seen)} answers by status, ${rate} a second`);
    console.log(`status, milliseconds: p50 ${latency.p50}, p90 ${latency.p90}, p99 ${latency.p99}, most ${latency.max}`);
    check('every file is completed with the rows that it has', code === 0 && told.failed === 0, told);
    check('every question is answered', Object.keys(asked.seen).join() === '200', asked.seen);
    const { seen, silent } = await flood(server, flooder);
    console.log(`links asked for by ${FLOOD_CONNECTIONS} connections in ${FLOOD_SECONDS} s, by status: ${JSON.stringify(seen)}`);
    check('links are given and shed, nothing else', Object.keys(seen).sort().join() === `201,${TOO_MANY_REQUESTS}`, seen);
    check('who is shed is told when to come back', silent === 0, silent);
  } finally {
    await server.stop();
  }
  const verified = server.run('verify', '--against', `local:${server.data}`);
  check('the state is what the history says', verified.drift === 0, verified);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 ? 0 : 1;
}

main().then((code) => process.exit(code), (error) => {
  console.log(error.stack);
  console.log('0 passed, 1 failed');
  process.exit(1);
});
