// Asking again and again while somebody looks, and telling when there is no answer.

import { Problem } from './api.js';

const PAUSE_MAX_SECONDS = 30;

const listeners = new Set();
let state = { isThere: true, since: null };

/** Told when answers stop and when they come again. */
export const onConnection = (listener) => listeners.add(listener);

function tell(isThere) {
  if (state.isThere === isThere) return;
  state = { isThere, since: isThere ? null : Date.now() };
  for (const listener of listeners) listener(state);
}

/**
 * Runs `work` now and every so many seconds until `signal` says to end. A hidden page asks nothing; a
 * server that does not answer is asked less and less often. `work` may return the seconds until the
 * next time, or null to end.
 */
export async function poll(seconds, signal, work) {
  let pause = seconds;
  while (!signal.aborted) {
    try {
      const wished = await work(signal);
      if (signal.aborted) return;
      tell(true);
      if (wished === null) return;
      pause = wished ?? seconds;
    } catch (error) {
      if (error.name === 'AbortError' || signal.aborted) return;
      const isPassing = error instanceof Problem && (error.status === 0 || error.status === 429 || error.status === 503);
      if (!isPassing) throw error;
      tell(false);
      pause = Math.min(Math.max(pause, 1) * 1.6, PAUSE_MAX_SECONDS);
    }
    await rest(pause, signal);
  }
}

/** Waits, and longer while nobody looks. */
async function rest(seconds, signal) {
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
  if (!document.hidden || signal.aborted) return;
  await new Promise((resolve) => {
    const look = () => {
      if (!document.hidden || signal.aborted) {
        document.removeEventListener('visibilitychange', look);
        resolve();
      }
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', look, { once: true });
  });
}
