// A `txp serve` on a free loopback port over a fresh directory, and the commands beside it.

'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { spawn, execFileSync } = require('child_process');

const STOP_MILLIS = 30000;

class Server {
  /** `nice`: by how much it gives way to who asks it. */
  constructor(txp, work, nice = 0) {
    this.txp = txp;
    this.nice = nice;
    this.work = work;
    this.data = path.join(work, 'data');
    // The fingerprint key goes to the user's configuration folder: here, to one of this run.
    this.env = { ...process.env, HOME: work, XDG_CONFIG_HOME: path.join(work, 'config'), TXP_DATA_DIR: this.data };
    fs.mkdirSync(work, { recursive: true });
  }

  /** Runs a command on the directory; what it prints as JSON. */
  run(...command) {
    return JSON.parse(execFileSync(this.txp, [...command, '--json'], { env: this.env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  }

  client(name, merchants) {
    return this.run('clients', 'add', name, '--merchants', merchants).key;
  }

  token(...more) {
    return this.run('operator-token', ...more).operator_token;
  }

  /** Starts it; on the port that it had before, if it had one. */
  async start() {
    const listen = this.origin ? new URL(this.origin).host : '127.0.0.1:0';
    const log = fs.openSync(path.join(this.work, 'serve.log'), 'a');
    const command = [this.txp, 'serve', '--listen', listen, '--json'];
    this.process = spawn('nice', ['-n', this.nice, ...command].map(String), { env: this.env, stdio: ['ignore', 'pipe', log] });
    fs.closeSync(log);
    this.ended = new Promise((resolve) => this.process.once('exit', (code) => resolve(code)));
    const said = new Promise((resolve) => {
      let text = '';
      this.process.stdout.on('data', (piece) => {
        text += piece;
        if (text.trimEnd().endsWith('}')) resolve(text);
      });
    });
    const first = await Promise.race([said, this.ended.then((code) => { throw new Error(`txp serve ended with ${code}`); })]);
    this.origin = JSON.parse(first).listening;
  }

  /** Ends it as an operator would, and expects it to end well. */
  async stop() {
    if (!this.process || this.process.exitCode !== null) return;
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MILLIS);
    const code = await this.ended;
    clearTimeout(timer);
    assert.strictEqual(code, 0, 'txp serve did not end with 0 after SIGTERM');
  }
}

module.exports = { Server };
