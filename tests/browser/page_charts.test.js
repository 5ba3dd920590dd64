// How points become lines, in the module that the page itself loads.

'use strict';

const assert = require('assert');
const { Server } = require('./server.js');

module.exports = async ({ test, browser, open, txp, work }) => {
  const server = new Server(txp, work);
  await server.start();
  const { page, context, faults } = await open(browser, { origin: server.origin });
  await page.goto(server.origin);
  const within = (body, argument) => page.evaluate(`(async () => { const m = await import('/assets/evaluate.js'); return (${body})(m, ${JSON.stringify(argument ?? null)}); })()`);

  await test('a restart leaves a gap and forgets nothing', async () => {
    const values = await within(`(m) => {
      const store = new m.Store();
      const one = (epoch, next, times, values) => ({ epoch, next, step_seconds: 5, times, series: [{ metric: 'rows_read', labels: {}, kind: 'counter', values }] });
      store.add(one('a', 2, [5000, 10000], [1, 2]));
      store.add(one('a', 3, [15000], [4]));
      const asked = store.query('fine');
      store.add(one('b', 1, [40000], [8]));
      const starts = [0, 10000, 20000, 30000];
      return [asked, m.valuesOf(store, store.of('rows_read')[0], 'Sum', starts, 10)];
    }`);
    assert.deepStrictEqual(values, ['resolution=fine&epoch=a&since=3', [3, 4, null, 8]]);
  });

  await test('each kind of metric has its statistics', async () => {
    const values = await within(`(m) => {
      const store = new m.Store();
      store.add({ epoch: 'a', next: 2, step_seconds: 5, times: [5000, 10000], series: [
        { metric: 'lag', labels: {}, kind: 'gauge', values: [3, 7] },
        { metric: 'took', labels: {}, kind: 'histogram', bounds: [1, 5, 10], values: [[4, 12, [2, 4, 4]], 0] },
      ] });
      const of = (metric, stat) => m.valuesOf(store, store.of(metric)[0], stat, [0, 10000], 10)[0];
      return [of('lag', 'Maximum'), of('lag', 'Average'), of('took', 'Average'), of('took', 'p50'), of('took', 'p75'), of('took', 'Maximum'), of('took', 'SampleCount')];
    }`);
    assert.deepStrictEqual(values, [7, 5, 3, 1, 3, 5, 4]);
  });

  await test('a panel asks for what is ours, and tells what is elsewhere', async () => {
    const found = await within(`(m) => m.questions({ stat: 'Sum', metrics: [
      ['transaction-processor-\${environment}', 'rows_read', 'function', 'validation-lambda-\${environment}', { label: 'read' }],
      ['transaction-processor-\${environment}', 'sweeps', 'function', 'validation-lambda-\${environment}'],
      [{ expression: "SEARCH('{\\"transaction-processor-\${environment}\\",function,code} MetricName=\\"rows_rejected\\"', 'Sum', 300)", label: '' }],
      ['AWS/Lambda', 'Errors', 'FunctionName', 'x'],
      [{ expression: 'a / b' }],
    ] }, new Map([['rows_read', { embedded: true }], ['rows_rejected', { embedded: true }], ['sweeps', { embedded: false }]]))`);
    assert.deepStrictEqual(found, {
      asked: [
        { metric: 'rows_read', stat: 'Sum', label: 'read', split: false, right: false },
        { metric: 'rows_rejected', stat: 'Sum', label: null, split: true, right: false },
      ],
      elsewhere: 3,
    });
  });

  await test('more lines than can be told apart are put together', async () => {
    const lines = await within(`(m) => {
      const store = new m.Store();
      const series = Array.from({ length: 12 }, (_, at) => ({ metric: 'found', labels: { rule: 'r' + at }, kind: 'counter', values: [at + 1] }));
      store.add({ epoch: 'a', next: 1, step_seconds: 5, times: [5000], series });
      return m.linesOf(store, [{ metric: 'found', stat: 'Sum', split: true }], [0], 10).map((line) => [line.label, line.values[0]]);
    }`);
    assert.strictEqual(lines.length, 8);
    assert.deepStrictEqual([lines[0], lines[7]], [['r11', 12], ['5 others', 15]]);
  });

  await test('an alarm is on when so many of its last periods are beyond the threshold', async () => {
    const found = await page.evaluate(async () => {
      const { Store } = await import('/assets/evaluate.js');
      const { judgeAlarms } = await import('/assets/alarms.js');
      const metrics = new Map([['quarantine_size', { embedded: true }], ['alert_failures', { embedded: true }]]);
      const ours = { namespace: 'transaction-processor-${environment}' };
      const base = { comparison: 'GreaterThanThreshold', threshold: 0, period_seconds: 60, missing_data: 'notBreaching', description: 'Words. RUNBOOK.md#x' };
      const defined = {
        alarms: [
          { ...base, ...ours, name: 'quarantine', metric: 'quarantine_size', statistic: 'Maximum', periods: 2, breaching_periods: 2 },
          { ...base, name: 'delivery', expression: 'FILL(f, 0) + FILL(s, 0)', inputs: { f: { ...ours, metric: 'alert_failures', statistic: 'Sum' }, s: { namespace: 'AWS/SNS', metric: 'x', statistic: 'Sum' } }, periods: 3, breaching_periods: 2 },
          { ...base, name: 'elsewhere', namespace: 'AWS/Lambda', metric: 'Errors', statistic: 'Sum', periods: 1, breaching_periods: 1 },
        ],
        composites: [{ name: 'both', rule: 'ALARM(quarantine) OR ALARM(elsewhere)', description: 'All. RUNBOOK.md#y' }, { name: 'none', rule: 'ALARM(elsewhere)', description: 'No.' }],
      };
      const at = (quarantined, failures) => {
        const store = new Store();
        store.add({ epoch: 'a', next: 3, step_seconds: 60, times: [60000, 120000, 180000], series: [
          { metric: 'quarantine_size', labels: {}, kind: 'gauge', values: quarantined },
          { metric: 'alert_failures', labels: {}, kind: 'counter', values: failures }] });
        const { alarms, composites } = judgeAlarms(defined, metrics, store);
        return [...alarms, ...composites.filter((one) => one.isKnown)].map((one) => `${one.name} ${one.isOn}`);
      };
      return [at([0, 0, 0], [0, 0, 0]), at([0, 1, 2], [1, 0, 0]), at([9, 9, 0], [1, 0, 5])];
    });
    assert.deepStrictEqual(found, [
      ['quarantine false', 'delivery false', 'both false'],
      ['quarantine true', 'delivery false', 'both true'],
      ['quarantine false', 'delivery true', 'both false'],
    ]);
  });

  await test('no script complained', () => assert.deepStrictEqual(faults, []));
  await context.close();
  await server.stop();
};
