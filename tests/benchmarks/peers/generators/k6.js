// A GET an iteration at a constant arrival rate. `added` is what an answer took beyond the delay
// that the server told, as k6 times a request; `added_whole` counts the wait for a connection too.
import http from 'k6/http';
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';

const added = new Trend('added', true);
const addedWhole = new Trend('added_whole', true);
const WARM_MS = Number(__ENV.WARM_MS);

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['med', 'p(90)', 'p(95)', 'p(99)', 'count'],
  scenarios: {
    load: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE),
      timeUnit: '1s',
      duration: `${__ENV.DURATION_S}s`,
      preAllocatedVUs: Number(__ENV.VUS),
      maxVUs: Number(__ENV.VUS),
    },
  },
};

export default function () {
  const counts = Date.now() - exec.scenario.startTime >= WARM_MS;
  const res = http.get(__ENV.URL);
  const told = res.headers['X-Tollbench-Told'];
  if (counts && told) {
    const toldMs = parseFloat(told);
    added.add(res.timings.duration - toldMs);
    addedWhole.add(res.timings.blocked + res.timings.duration - toldMs);
  }
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data.metrics) };
}
