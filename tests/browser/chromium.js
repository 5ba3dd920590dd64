// Starts Chromium and opens pages in it, each with its own cookies and a list of what went wrong.

'use strict';

const fs = require('fs');
const { chromium } = require('playwright-core');

const USUAL = '/usr/bin/chromium';
const MISSING = 'Chromium is missing: `apt-get install chromium`, or set TXP_CHROMIUM to its program';
const WAIT_MILLIS = 15000;

// Nothing but loopback has an address, so that a request to anywhere else fails and is seen.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

async function start() {
  const executablePath = process.env.TXP_CHROMIUM || USUAL;
  if (!fs.existsSync(executablePath)) throw new Error(MISSING);
  return chromium.launch({ executablePath, args: FLAGS, headless: true });
}

/** A page of its own. `faults` gathers errors of scripts, of the console, and requests to elsewhere. */
async function open(browser, { origin = null, width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, acceptDownloads: true });
  context.setDefaultTimeout(WAIT_MILLIS);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isInside = ['data:', 'blob:'].includes(url.protocol);
    if (origin && !isInside && url.origin !== origin) faults.push(`request to ${url.origin}`);
  });
  return { page, context, faults };
}

module.exports = { start, open };
