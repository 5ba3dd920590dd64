// The alarms of dashboards/alarms.json over this server's own metrics: the same thresholds and the same
// words as on AWS. Alarms about what only AWS measures are left to AWS.

import { valuesOf } from './evaluate.js';

const SUM = /^FILL\(\w+, 0\)(?: \+ FILL\(\w+, 0\))*$/;
const OURS = 'transaction-processor-';

const COMPARISONS = {
  GreaterThanThreshold: (value, threshold) => value > threshold,
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
};

/** What an alarm looks at here: one of our metrics, or a plain sum in which one is; else nothing. */
function inputsOf(alarm, metrics) {
  const inputs = alarm.metric ? [alarm] : SUM.test(alarm.expression ?? '') ? Object.values(alarm.inputs) : [];
  return inputs.filter((one) => one.namespace.startsWith(OURS) && metrics.get(one.metric)?.embedded);
}

/** Whether so many of the last whole periods were beyond the threshold. */
function isAlarming(alarm, inputs, store) {
  const width = alarm.period_seconds * 1000;
  const end = Math.floor((store.times.at(-1) ?? 0) / width) * width;
  const starts = Array.from({ length: alarm.periods }, (_, at) => end - (alarm.periods - at) * width);
  const each = inputs.map((input) => valuesOf(store, store.of(input.metric)[0], input.statistic, starts, alarm.period_seconds));
  const breaches = COMPARISONS[alarm.comparison];
  const number = starts.filter((_, at) => {
    const known = each.map((values) => values[at]).filter((value) => value !== null);
    if (known.length === 0) return alarm.missing_data === 'breaching' && store.times.length > alarm.periods;
    return breaches(known.reduce((sum, value) => sum + value, 0), alarm.threshold);
  }).length;
  return number >= alarm.breaching_periods;
}

/** The alarms that can be judged here, by name: whether each is on, and its words. */
export function judgeAlarms({ alarms, composites }, metrics, store) {
  const found = new Map();
  for (const alarm of alarms) {
    const inputs = inputsOf(alarm, metrics);
    if (inputs.length > 0) found.set(alarm.name, { name: alarm.name, isOn: isAlarming(alarm, inputs, store), text: wordsOf(alarm) });
  }
  const together = composites.map((composite) => {
    const parts = [...composite.rule.matchAll(/ALARM\(([\w-]+)\)/g)].map(([, name]) => found.get(name)).filter(Boolean);
    return { name: composite.name, isKnown: parts.length > 0, isOn: parts.some((part) => part.isOn), text: wordsOf(composite) };
  });
  return { alarms: [...found.values()], composites: together };
}

/** The words before the section of the runbook, which stands in the project. */
function wordsOf({ description }) {
  const [text, section] = description.split(/\s*RUNBOOK\.md#/);
  return { text: text.trim(), section };
}
