// The page of `txp serve`: a merchant's file from the form to its receipt, an alert to its reason,
// the dashboards, and every view by eye, by keyboard and by axe.

'use strict';

const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { Server } = require('./server.js');

const CARD = '4242424242424242';
const HEADER = 'transaction_id,amount,merchant_id,card_number,timestamp';

/** Longer than the window in which many sales on one card are odd. */
const APART_MILLIS = 11 * 60000;

/** Twenty good rows, and one of each kind that needs care. Event times are new, so that it alerts. */
function file() {
  const begun = Date.now() - 60000;
  const time = (back) => new Date(begun - back * APART_MILLIS).toISOString();
  const now = time(0);
  const first = time(20);
  const rows = Array.from({ length: 20 }, (_, at) => `t-${at},${at + 2}.50,shop,${CARD},${time(20 - at)}`);
  rows.push(
    `big,25000.00,shop,5555555555554444,${now}`,
    `t-0,2.50,shop,${CARD},${first}`,
    `t-1,99.00,shop,${CARD},${now}`,
    `bad-1,1e5,shop,${CARD},${now}`,
    `bad-2,7.00,shop,4242424242424241,${now}`,
  );
  return `${HEADER}\n${rows.join('\n')}\n`;
}

module.exports = async ({ test, browser, open, look, txp, work }) => {
  const server = new Server(txp, work);
  const token = server.token();
  await server.start();
  const key = server.client('shop-client', 'shop');
  const { page, context, faults } = await open(browser, { origin: server.origin });
  const shots = path.join(work, 'shots');
  const body = file().replace('transaction_id', 'txn_ref');
  const go = async (hash, heading) => {
    await page.goto(`${server.origin}/#/${hash}`);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  };

  await test('the shell holds no data and asks who it is', async () => {
    await page.goto(server.origin);
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
    assert.strictEqual(await page.locator('nav#nav').isHidden(), true);
    await look(page, shots, 'signin');
  });

  await test('a wrong token is refused in words, and is not kept', async () => {
    const other = await open(browser, { origin: server.origin });
    await other.page.goto(server.origin);
    await other.page.getByLabel('Operator token').fill(`${token.slice(0, -1)}x`);
    await other.page.getByRole('button', { name: 'Sign in as operator' }).click();
    await other.page.getByRole('alert').getByText('txp operator-token').waitFor();
    assert.strictEqual(await other.page.evaluate(() => sessionStorage.length), 0);
    // The browser itself tells of the 403.
    assert.ok(other.faults.every((fault) => fault.includes('403')), other.faults.join('\n'));
    await other.context.close();
  });

  await test('the operator signs in with a fresh directory, and each view says what to do next', async () => {
    await page.getByLabel('Operator token').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'All is well' }).waitFor();
    await page.getByText('No uploads yet').waitFor();
    await look(page, shots, 'overview-empty');
    await go('uploads', 'Uploads');
    await page.getByText('No uploads yet').waitFor();
    await go('alerts', 'Alerts');
    await page.getByText('No alerts').waitFor();
    assert.ok(!page.url().includes(token));
  });

  await test('a file sent by the form is watched until it is completed, with its receipt', async () => {
    await go('send', 'Send a file');
    await look(page, shots, 'send-empty');
    await page.getByLabel('API key of the client').fill(key);
    await page.getByRole('button', { name: 'Send it' }).click();
    await page.getByRole('alert').getByText('No file is chosen').waitFor();
    // Dropped, as people do.
    const data = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], 'sales.csv', { type: 'text/csv' }));
      return transfer;
    }, body);
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: data });
    await page.getByText('sales.csv').first().waitFor();
    const columns = page.getByLabel('Columns that have other names');
    await columns.fill('txn_ref');
    await page.getByRole('button', { name: 'Send it' }).click();
    await page.getByRole('alert').getByText('This names no column: txn_ref').waitFor();
    await columns.fill('txn_ref = transaction_id\n');
    await page.getByRole('button', { name: 'Send it' }).click();
    const run = page.getByRole('region', { name: 'sales.csv' });
    await run.getByText('completed', { exact: true }).waitFor();
    const value = (name) => run.locator('.tile', { hasText: name }).locator('.value').innerText();
    assert.deepStrictEqual(
      [await value('Rows read'), await value('Accepted'), await value('Rejected'), await value('Duplicates'), await value('Conflicts')],
      ['25', '21', '2', '1', '1']);
    await run.getByText('amount exponent: 1').waitFor();
    const wanted = crypto.createHash('sha256').update(body).digest('hex');
    assert.strictEqual(await run.locator('#receipt-sha256').innerText(), wanted);
    const [saved] = await Promise.all([page.waitForEvent('download'), run.getByRole('button', { name: 'Save the whole report' }).click()]);
    const report = fs.readFileSync(await saved.path(), 'utf8');
    assert.strictEqual(report.trim().split('\n').length, 3);
    assert.ok(report.includes('amount_exponent') && !report.includes(CARD));
    await look(page, shots, 'send-done');
  });

  await test('a flagged transaction is opened from its alert, with the reason in words and numbers', async () => {
    await go('', 'All is well');
    const alert = page.locator('.alert', { hasText: 'big' });
    await alert.locator('.words').getByText('Amount 25,000.00 USD is above 10,000.00 USD').waitFor();
    await alert.getByText('Why: the numbers that were compared').click();
    await alert.getByText('Highest that is usual').waitFor();
    await look(page, shots, 'overview');
    await alert.getByRole('link', { name: 'big' }).click();
    await page.getByRole('heading', { name: 'Why it is flagged' }).waitFor();
    await page.locator('#flags').getByText('10,000.00 USD', { exact: true }).waitFor();
    await page.locator('.timeline').getByText('Flagged').waitFor();
    assert.ok(!(await page.content()).includes('5555555555554444'));
    await look(page, shots, 'transaction');
  });

  await test('uploads, one upload and alerts are told with their details', async () => {
    await go('uploads', 'Uploads');
    const row = page.getByRole('row', { name: /sales\.csv/ });
    await row.getByText('completed').waitFor();
    await row.getByText('shop-client').waitFor();
    await look(page, shots, 'uploads');
    await row.getByRole('link').click();
    await page.getByRole('heading', { level: 1, name: 'sales.csv' }).waitFor();
    await page.getByRole('heading', { name: 'Receipt' }).waitFor();
    await look(page, shots, 'upload');
    await go('alerts', 'Alerts');
    await page.waitForFunction(() => document.querySelectorAll('.alert').length === 2);
    await page.getByLabel('Severity').selectOption('high');
    await page.getByLabel('Rule').fill('amount_high');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.waitForFunction(() => document.querySelectorAll('.alert').length === 1);
    await look(page, shots, 'alerts');
  });

  await test('an id that nobody has, and one that several have, say what to do', async () => {
    const own = faults.length;
    await go('transactions/nobody', 'Transactions');
    await page.getByText('No such transaction').waitFor();
    assert.ok(faults.slice(own).every((fault) => fault.includes('404')));
    faults.length = own;
    await page.getByLabel('Transaction id').fill('t-1');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.locator('.timeline').getByText('Sent again with other content').waitFor();
    await page.getByText('sent under this id; the first stands').waitFor();
  });

  await test('the dashboards are drawn from their panels over what was counted', async () => {
    for (const [name, title] of [['operations', 'Operations'], ['business', 'Business'], ['cost', 'Cost']]) {
      await go(`dashboards/${name}`, title);
      const panel = page.locator('.panel').first();
      await panel.waitFor();
      await page.waitForFunction(() => document.querySelector('.panel .unit').textContent !== '');
      await look(page, shots, `dashboard-${name}`);
    }
    await go('dashboards/business', 'Business');
    const rows = page.getByRole('region', { name: 'Rows', exact: true });
    // The history is looked at every five seconds.
    await rows.locator('.legend li', { hasText: 'read' }).getByText('25', { exact: true }).first().waitFor();
    assert.ok((await rows.locator('path.line').first().getAttribute('d')).length > 20);
    await rows.getByRole('img').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    assert.match(await page.locator('#said').innerText(), /read/);
    await rows.getByText('As a table').click();
    await rows.getByRole('columnheader', { name: 'read' }).waitFor();
    await page.getByRole('button', { name: '3 h' }).click();
    await page.waitForFunction(() => document.querySelector('[aria-label="Rows"] .unit').textContent.includes('2 min'));
  });

  await test('all of it can be reached and read with the keyboard', async () => {
    await go('', 'All is well');
    await page.locator('body').press('Tab');
    await page.getByRole('link', { name: 'Skip to content' }).press('Enter');
    assert.strictEqual(await page.evaluate(() => document.activeElement.id), 'view');
    await page.getByRole('link', { name: 'Alerts', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Alerts' }).waitFor();
    assert.strictEqual(await page.evaluate(() => document.activeElement.id), 'view');
    assert.strictEqual(await page.locator('#nav [aria-current="page"]').innerText(), 'Alerts');
  });

  await test('a server that goes away and comes back is told, and the page goes on by itself', async () => {
    await go('', 'All is well');
    const own = faults.length;
    await server.stop();
    await page.locator('#connection', { hasText: 'no answer since' }).waitFor();
    await server.start();
    await page.locator('#connection', { hasText: 'live' }).waitFor();
    assert.ok(faults.slice(own).every((fault) => fault.includes('ERR_CONNECTION')), faults.slice(own).join('\n'));
    faults.length = own;
  });

  await test('signing out forgets the token', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
    assert.strictEqual(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
    assert.strictEqual((await context.cookies()).length, 0);
  });

  await test('a merchant sees its own uploads and transactions, and nothing of the operator', async () => {
    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Sign in as merchant' }).click();
    await page.getByRole('heading', { level: 1, name: 'Uploads' }).waitFor();
    await page.getByRole('row', { name: /sales\.csv/ }).waitFor();
    assert.deepStrictEqual(await page.locator('#nav a').allInnerTexts(), ['Uploads', 'Transactions', 'Send a file']);
    await look(page, shots, 'merchant');
    await go('transactions/big', 'Transactions');
    await page.getByRole('heading', { name: 'Why it is flagged' }).waitFor();
  });

  await test('nothing was asked of anyone else, and no script complained', async () => {
    assert.deepStrictEqual(faults, []);
  });

  await context.close();
  await server.stop();
};
