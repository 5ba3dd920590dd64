// The HTML report of `txp backtest`: opened from the disk, as an analyst does, with and without labels.

'use strict';

const assert = require('assert');
const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { faultsOf } = require('./look.js');

const PHONE = { width: 390, height: 844 };
const SETTINGS = 20;
/** Where the drawn lines end, in units of the plot: anything nearer together is a dot and no line. */
const LINE_MIN = 50;

/** A number with the digit behind it that cards have. */
function card(number) {
  const digits = `41111111${String(number).padStart(7, '0')}`;
  const sum = [...digits].reverse().reduce((total, digit, place) => {
    const doubled = place % 2 === 0 ? digit * 2 : Number(digit);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return digits + ((10 - (sum % 10)) % 10);
}

/** Sales of 40 cards over 30 days, of which every 41st is a fraud, and high as a rule; and its labels. */
function history() {
  const rows = ['transaction_id,timestamp,amount,merchant_id,card_number'];
  const labels = ['transaction_id,fraud,scenario'];
  for (let day = 0; day < 30; day += 1) {
    for (let holder = 0; holder < 40; holder += 1) {
      const number = day * 40 + holder;
      const fraud = number % 41 === 0;
      const high = (fraud && holder % 3 !== 0) || number % 31 === 3;
      const low = number % 53 === 5;
      // Every rule of amounts finds some.
      const amount = high ? `${10500 + (number % 17) * 900}.00` : low ? '0.40' : `${20 + holder * 3}.00`;
      const id = `s-${day}-${holder}`;
      rows.push(`${id},${1760000000 + day * 86400 + holder * 600},${amount},m-${holder % 3},${card(holder)}`);
      labels.push(`${id},${fraud ? 1 : 0},0`);
    }
  }
  return [rows, labels].map((lines) => `${lines.join('\n')}\n`);
}

/** What stands in each plot: lines by colour with their points, dots, and the words at the axes. */
function plots() {
  return [...document.querySelectorAll('figure')].map((figure) => {
    const svg = figure.querySelector('svg');
    const box = svg.getBoundingClientRect();
    const points = (line) => line.getAttribute('points').trim().split(/\s+/)
      .map((point) => point.split(',').map(Number));
    const lines = [...svg.querySelectorAll('polyline')].map((line) => ({
      colour: getComputedStyle(line).stroke, drawn: line.getBoundingClientRect().width > 0, points: points(line),
    }));
    return {
      caption: figure.querySelector('figcaption').innerText,
      name: svg.getAttribute('aria-label'),
      size: [box.width, box.height],
      lines,
      dots: svg.querySelectorAll('circle').length,
      words: [...svg.querySelectorAll('text')].map((text) => text.textContent.trim()),
      colours: [...svg.querySelectorAll('text')].map((text) => getComputedStyle(text).fill),
    };
  });
}

/** A plot with nothing in it, or with axes that say nothing, is no plot. */
function checkPlot(plot, linesMax) {
  const told = JSON.stringify({ ...plot, lines: plot.lines.length });
  assert.ok(plot.size.every((side) => side > 100), told);
  assert.ok(plot.name, told);
  assert.ok(plot.words.includes('0%') && plot.words.includes('100%'), told);
  assert.ok(plot.words.filter((word) => word !== '' && !word.endsWith('%')).length >= 2, told);
  // The curves go from one side to the other; grid and axes are lines of two points.
  const curves = plot.lines.filter((line) => line.points.length > 2);
  assert.ok(curves.length >= 1 && curves.length <= linesMax, told);
  for (const { points } of curves) {
    const across = points.map(([x]) => x);
    assert.ok(Math.max(...across) - Math.min(...across) > LINE_MIN, told);
    assert.ok(points.flat().every(Number.isFinite), told);
  }
  assert.ok(plot.dots >= curves.reduce((sum, { points }) => sum + points.length, 0), told);
  assert.ok(curves.every((line) => line.points.length <= SETTINGS + 1), told);
  return curves.length;
}

module.exports = async ({ test, browser, open, look, txp, work }) => {
  const env = { ...process.env, HOME: work, XDG_CONFIG_HOME: path.join(work, 'config'), TXP_DATA_DIR: path.join(work, 'data') };
  const run = (...command) => execFileSync(txp, command, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const shots = path.join(work, 'shots');
  const file = (name) => path.join(work, name);
  const [sales, labels] = history();
  fs.writeFileSync(file('sales.csv'), sales);
  fs.writeFileSync(file('labels.csv'), labels);
  run('process', file('sales.csv'));
  // Other thresholds than those that judged: some findings are new, some are lost.
  const rules = JSON.parse(run('rules', 'show'));
  rules.version = 'tried-1';
  for (const rule of rules.rules) {
    if (rule.kind === 'amount_high') rule.thresholds.USD = 1400000;
    if (rule.kind === 'amount_deviation') rule.deviation.times = 4;
  }
  fs.writeFileSync(file('rules.json'), JSON.stringify(rules));

  const reports = { labelled: ['--labels', file('labels.csv')], plain: [] };
  for (const [name, more] of Object.entries(reports)) {
    const html = file(`${name}.html`);
    run('backtest', '--rules', file('rules.json'), '--report', html, ...more);
    const { page, context, faults } = await open(browser, { origin: 'null' });

    await test(`the report (${name}) is drawn: curves across each plot, words at its axes`, async () => {
      await page.goto(pathToFileURL(html).href);
      await page.getByRole('heading', { level: 1, name: 'Backtest' }).waitFor();
      const drawn = await page.evaluate(plots);
      assert.ok(drawn.length >= 5, `${drawn.length} plots`);
      const linesMax = name === 'labelled' ? 2 : 1;
      const lines = drawn.map((plot) => checkPlot(plot, linesMax));
      // A rule that hits nothing has no precision, and a recall of nothing.
      assert.ok(lines.filter((count) => count === linesMax).length >= 3, lines.join());
      assert.strictEqual(new Set(drawn.map((plot) => plot.caption)).size, drawn.length);
      assert.ok(await page.getByText('Numbers').count() >= drawn.length);
    });

    await test(`the report (${name}) is read by eye and by axe, in light and dark, wide and on a phone`, async () => {
      await look(page, shots, name);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(PHONE);
        // All that can be opened is open: wide tables scroll by themselves, and the page does not.
        await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
        assert.deepStrictEqual(await faultsOf(page), [], colorScheme);
        const surplus = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(surplus <= 0, `${surplus} px too wide`);
        await page.screenshot({ path: path.join(shots, `${name}-open-phone-${colorScheme}.png`), fullPage: true });
      }
    });

    await test(`the report (${name}) has other colours in the dark, in its plots too`, async () => {
      const ink = async (colorScheme) => {
        await page.emulateMedia({ colorScheme });
        const [first] = await page.evaluate(plots);
        const curve = first.lines.find((line) => line.points.length > 2);
        return [curve.colour, first.colours[0]];
      };
      const [light, dark] = [await ink('light'), await ink('dark')];
      assert.notStrictEqual(light[0], dark[0]);
      assert.notStrictEqual(light[1], dark[1]);
    });

    await test(`the report (${name}) asks for nothing and says nothing on the console`, async () => {
      assert.deepStrictEqual(faults, []);
      assert.ok(!fs.readFileSync(html, 'utf8').includes(card(3)));
    });
    await context.close();
  }

  await test('what the labels say is in the report, and how much is new and lost', async () => {
    const { page, context } = await open(browser);
    await page.goto(pathToFileURL(file('labelled.html')).href);
    await page.getByRole('heading', { name: 'Held against the labels' }).waitFor();
    const tile = async (name) => Number(await page.locator(`.tile.${name} strong`).innerText());
    const told = { new: await tile('new'), lost: await tile('lost'), kept: await tile('kept') };
    const report = JSON.parse(run('backtest', '--rules', file('rules.json'), '--labels', file('labels.csv'), '--json'));
    assert.deepStrictEqual(told, { new: report.new, lost: report.lost, kept: report.kept });
    assert.ok(told.lost > 0 && told.kept > 0, JSON.stringify(told));
    await context.close();
  });
};
