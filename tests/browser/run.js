// Runs every `*.test.js` beside this file in one headless Chromium.
//
// usage: run.js TXP WORK_DIR [NAME...]
//
// A test file exports a function that is given `test`, `browser`, `open`, `look`, `txp` and a `work`
// folder of its own, and declares its tests with `await test(name, async () => ...)`, which run at
// once. The last line is `N passed, N failed`.

'use strict';

const fs = require('fs');
const path = require('path');
const { start, open } = require('./chromium.js');
const { look } = require('./look.js');

async function main() {
  const [txp, work, ...only] = process.argv.slice(2);
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true });
  const browser = await start();
  const counts = { passed: 0, failed: 0 };
  const test = async (name, body) => {
    const begun = Date.now();
    try {
      await body();
      counts.passed += 1;
      console.log(`ok      ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      counts.failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  };
  const names = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js'));
  const wanted = names.filter((name) => only.length === 0 || only.includes(name.replace('.test.js', '')));
  for (const name of wanted.sort()) {
    const suite = name.replace('.test.js', '');
    const own = { txp: path.resolve(txp), work: path.resolve(work, suite) };
    fs.mkdirSync(own.work, { recursive: true });
    try {
      await require(path.join(__dirname, name))({ test, browser, open, look, ...own });
    } catch (error) {
      await test(`${suite} runs to its end`, () => { throw error; });
    }
  }
  await browser.close();
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && wanted.length > 0 ? 0 : 1;
}

main().then((code) => process.exit(code), (error) => {
  console.log(error.message);
  console.log('0 passed, 1 failed');
  process.exit(1);
});
