// What every view must be: without serious faults of accessibility in light and dark, no wider than
// the screen, and worth a picture.

'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const GRAVE = ['serious', 'critical'];
const WIDTHS = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/** Grave faults that axe finds, one line each. */
async function faultsOf(page) {
  // By the debugger, which the page's policy does not concern.
  if (!await page.evaluate(() => Boolean(window.axe))) await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter((fault) => GRAVE.includes(fault.impact))
    .flatMap((fault) => fault.nodes.map((node) => `${fault.id}: ${fault.help}: ${node.html.slice(0, 160)} ${node.failureSummary?.split('\n').slice(1).join(' ') ?? ''}`));
}

/** Looks at a page as it stands, in both schemes, and at both widths; pictures go to `folder`. */
async function look(page, folder, name) {
  fs.mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const faults = await faultsOf(page);
    assert.deepStrictEqual(faults, [], `${name}, ${colorScheme}`);
    for (const [width, size] of Object.entries(WIDTHS)) {
      if (colorScheme === 'dark' && width === 'phone') continue;
      await page.setViewportSize(size);
      await page.evaluate(() => window.scrollTo(0, 0));
      const surplus = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(surplus <= 0, `${name} is ${surplus} px too wide at ${size.width}`);
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
    await page.setViewportSize(WIDTHS.wide);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

module.exports = { look, faultsOf };
