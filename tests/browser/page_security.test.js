// What a page of another site, another name for this machine, or a guesser gets of the operator's
// data: nothing.

'use strict';

const assert = require('assert');
const http = require('http');
const { Server } = require('./server.js');

const PATHS = ['overview', 'series', 'uploads', 'alerts', 'transactions/t'];

/** A request with exactly these headers. */
function ask(origin, path, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const request = http.request({ hostname, port, path, method, headers }, (response) => {
      let body = '';
      response.on('data', (piece) => { body += piece; });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

module.exports = async ({ test, browser, open, txp, work }) => {
  const server = new Server(txp, work);
  await server.start();
  const token = server.token();
  const own = { 'x-operator-token': token };
  const { host } = new URL(server.origin);

  await test('data is given for the token only', async () => {
    for (const path of PATHS) {
      assert.strictEqual((await ask(server.origin, `/operator/${path}`)).status, 403, path);
      const right = await ask(server.origin, `/operator/${path}`, own);
      assert.ok([200, 404].includes(right.status), `${path}: ${right.body}`);
      assert.strictEqual(right.headers['access-control-allow-origin'], undefined);
      assert.strictEqual(right.headers['cache-control'], 'no-store');
    }
  });

  await test('another name or another page is refused, even with the token', async () => {
    for (const headers of [
      { host: 'evil.example' }, { host: `evil.example:${host.split(':')[1]}` }, { host: '127.0.0.1.evil.example' },
      { host: 'localhost@evil.example' }, { origin: 'http://evil.example' }, { origin: 'null' },
      { origin: `http://${host}.evil.example` }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
    ]) {
      const answer = await ask(server.origin, '/operator/overview', { ...own, ...headers });
      assert.strictEqual(answer.status, 403, JSON.stringify(headers));
      assert.match(JSON.parse(answer.body).type, /origin_refused$/);
    }
    for (const path of ['/', '/assets/main.js', '/metrics']) {
      assert.strictEqual((await ask(server.origin, path, { host: 'evil.example' })).status, 403, path);
    }
    for (const headers of [{}, { host: 'localhost:1' }, { host: '[::1]:8420' }, { origin: server.origin, 'sec-fetch-site': 'same-origin' }]) {
      assert.strictEqual((await ask(server.origin, '/operator/overview', { ...own, ...headers })).status, 200, JSON.stringify(headers));
    }
    const preflight = await ask(server.origin, '/operator/overview', {
      origin: 'http://evil.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-operator-token',
    }, 'OPTIONS');
    assert.strictEqual(preflight.headers['access-control-allow-origin'], undefined);
    assert.strictEqual(preflight.headers['access-control-allow-headers'], undefined);
  });

  await test('a page of another site cannot read, frame or script it', async () => {
    const foreign = http.createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="${server.origin}/"></iframe>`);
    });
    await new Promise((resolve) => { foreign.listen(0, '127.0.0.1', resolve); });
    const { page, context } = await open(browser);
    await page.goto(`http://localhost:${foreign.address().port}/`);
    const read = await page.evaluate(async ([origin, secret]) => {
      const tried = async (path, headers) => fetch(origin + path, { headers }).then((answer) => answer.status, () => 'blocked');
      return [await tried('/operator/overview', { 'x-operator-token': secret }), await tried('/metrics', {}), await tried('/assets/main.js', {})];
    }, [server.origin, token]);
    assert.deepStrictEqual(read, ['blocked', 'blocked', 'blocked']);
    const framed = page.frames().find((frame) => frame !== page.mainFrame());
    assert.ok(framed.url().startsWith('chrome-error:'), framed.url());
    await context.close();
    await new Promise((resolve) => { foreign.close(resolve); foreign.closeAllConnections(); });
  });

  await test('the policy lets no script in but the page’s own', async () => {
    const { headers, body } = await ask(server.origin, '/');
    const policy = headers['content-security-policy'];
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'"]) {
      assert.ok(policy.includes(part), policy);
    }
    assert.ok(!policy.includes('unsafe'), policy);
    assert.strictEqual(headers['referrer-policy'], 'no-referrer');
    assert.strictEqual(headers['x-content-type-options'], 'nosniff');
    assert.ok(!/<script(?![^>]*src=)/.test(body) && !/ style=| on[a-z]+=/.test(body));
    assert.ok(!/https?:\/\//.test(body.replace(/http:\/\/www\.w3\.org/g, '')), 'the shell names another host');
  });

  await test('guessing is slowed down and does not lock the operator out', async () => {
    const wrong = { 'x-operator-token': 'operator.wrong' };
    const statuses = [];
    for (let guess = 0; guess < 30; guess += 1) statuses.push((await ask(server.origin, '/operator/overview', wrong)).status);
    assert.ok(statuses.includes(429), statuses.join(' '));
    assert.ok(statuses.every((status) => status === 403 || status === 429));
    assert.strictEqual((await ask(server.origin, '/operator/overview', own)).status, 200);
  });

  await test('a new token counts at once, and the old one no more', async () => {
    const fresh = server.token('--rotate');
    assert.notStrictEqual(fresh, token);
    assert.strictEqual((await ask(server.origin, '/operator/overview', { 'x-operator-token': fresh })).status, 200);
    assert.ok([403, 429].includes((await ask(server.origin, '/operator/overview', own)).status));
    assert.strictEqual(server.token(), fresh);
  });

  await server.stop();
};
