// Asks for the run so far once a second and puts it into the page; it computes no figure.
import { course, curves } from "./charts.js";
import { badge, fill, list, write } from "./tables.js";

const EVERY_MS = 1000;
const LATE_MS = 3500;
const UNKNOWN = "\u2013";
const NEVER = "never";
const TURN = "turn";

const WAITING = { word: "NO RUN YET", shape: "\u25cb", kind: "" };
const REFUSED = { word: "NOT STARTED", shape: "\u2715", kind: "bad" };
const INVALID = { word: "INVALID", shape: "\u2715", kind: "bad" };
const STATES = {
  met: { shape: "\u2713", kind: "good" },
  missed: { shape: "\u2715", kind: "bad" },
  "cannot tell": { shape: "?", kind: "" },
  running: { shape: "\u25cf", kind: "calm" },
  ended: { shape: "\u25a0", kind: "" },
  lost: { shape: "\u2715", kind: "bad" },
};

const at = (id) => document.getElementById(id);
let run = null;
let heard = performance.now();

// Asking

async function ask() {
  if (!document.hidden) {
    const answer = await answered();
    if (answer) {
      heard = performance.now();
      show(answer);
    }
    tellSilence();
  }
  setTimeout(ask, EVERY_MS);
}

/** Nothing where Locust is gone, or shows its login instead. */
async function answered() {
  try {
    const answer = await fetch("live.json", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function tellSilence() {
  const silent = performance.now() - heard;
  at("phase").classList.toggle("late", silent > LATE_MS);
  if (silent > LATE_MS) {
    const seconds = Math.round(silent / 1000);
    write(at("phase"), `no answer from Locust for ${seconds} s: all below is older`);
  }
}

// Showing

function show({ problems, snapshot, stored, files }) {
  run = snapshot;
  showState(problems, stored);
  alarm("problems", problems);
  alarm("reasons", run && !run.valid ? run.reasons : []);
  showFiles(stored, files);
  showSlos(run ? run.slos : []);
  fill(at("times"), byStage(run ? run.rows : []).map(timesRow), "Nothing is measured yet.");
  fill(at("workers"), (run ? run.workers : []).map(workerRow), "No worker has begun.");
  fill(at("failures"), grouped(run ? run.failures : []), "None so far.");
  offer(run ? run.rows : []);
  paint();
}

function showState(problems, stored) {
  const valid = { word: stored ? "VALID" : "VALID so far", shape: "\u2713", kind: "good" };
  const seen = run ? (run.valid ? valid : INVALID) : problems.length ? REFUSED : WAITING;
  badge(at("validity"), seen);
  write(at("phase"), run ? phase(run, stored) : "");
  write(at("scenario"), run ? run.scenario : "tollbench");
  const strategies = run ? run.strategies.join(" vs ") : "";
  list(at("facts"), run ? [strategies, run.targets, `seed ${run.seed}`, `run ${run.run_id}`] : []);
}

function phase({ state, elapsed_s }, stored) {
  const seconds = `${Math.floor(elapsed_s).toLocaleString("en-US")} s`;
  if (stored) return `stored after ${seconds}`;
  const told = state === "stopping" ? "stopping, what is in flight still ends" : state;
  return `${told}, ${seconds}`;
}

function alarm(id, lines) {
  at(id).hidden = !lines.length;
  list(at(id).querySelector("ul"), lines);
}

function showFiles(stored, files) {
  at("unstored").hidden = stored;
  at("files").hidden = !stored;
  if (at("files").dataset.names === files.join()) return;
  at("files").dataset.names = files.join();
  const report = files.includes("report.html") ? [link("report/", "Open the report")] : [];
  at("files").replaceChildren(...report, ...files.map((name) => link(`files/${name}`, name, name)));
}

function link(href, told, download) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = told;
  if (download) anchor.download = download;
  else anchor.target = "_blank";
  const item = document.createElement("li");
  item.append(anchor);
  return item;
}

function showSlos(slos) {
  at("slos").hidden = !slos.length;
  const table = at("slos").querySelector("table");
  if (slos.length) fill(table, slos.map(sloRow), "");
}

function sloRow({ text, strategy, verdict, figure, count }) {
  const told = figure === null ? (count ? NEVER : UNKNOWN) : sloFigure(text, figure);
  return [text, strategy, state(verdict), told, many(count)];
}

/** A share of failures, or ms: the text of the SLO tells which. */
function sloFigure(text, figure) {
  return /\berrors\s*</.test(text) ? `${(figure * 100).toFixed(2)}%` : `${ms(figure)} ms`;
}

/** Strategies that are to be compared stand below each other. */
function byStage(rows) {
  const stages = [...new Set(rows.map(({ stage }) => stage))];
  return rows.toSorted((a, b) => stages.indexOf(a.stage) - stages.indexOf(b.stage));
}

function timesRow({ strategy, stage, count, failed, p50_ms, p90_ms, p95_ms, p99_ms, max_ms }) {
  const figures = [p50_ms, p90_ms, p95_ms, p99_ms, max_ms];
  const none = count ? NEVER : UNKNOWN;
  const told = figures.map((figure) => (figure === null ? none : ms(figure)));
  return [stage || TURN, strategy, many(count), many(failed), ...told];
}

function workerRow(worker) {
  const { name, due, started, finished, failed, running, lost, why } = worker;
  const counts = [due, started, finished, failed, running, lost].map(many);
  return [name, state(worker.state), ...counts, why];
}

/** The stage with the most failures first, and within it the most frequent cause. */
function grouped(failures) {
  const totals = {};
  for (const { stage, count } of failures) totals[stage] = (totals[stage] || 0) + count;
  const order = (a, b) =>
    totals[b.stage] - totals[a.stage] || a.stage.localeCompare(b.stage) || b.count - a.count;
  return failures
    .toSorted(order)
    .map(({ stage, cause, count }) => [stage || TURN, cause, many(count)]);
}

// The charts

/** What may be compared: strategies at one stage, or the stages of one strategy. */
function offer(rows) {
  const stages = [...new Set(["", ...rows.map(({ stage }) => stage)])];
  const strategies = [...new Set(rows.map(({ strategy }) => strategy))];
  const offered = JSON.stringify([stages, strategies]);
  const select = at("shown");
  if (select.dataset.offered === offered) return;
  const before = select.value;
  select.dataset.offered = offered;
  select.replaceChildren(
    group("Strategies at a stage", stages.map((stage) => [`stage:${stage}`, stage || TURN])),
    group("Stages of a strategy", strategies.map((name) => [`strategy:${name}`, name])),
  );
  if (Array.from(select.options).some(({ value }) => value === before)) select.value = before;
}

function group(label, options) {
  const node = document.createElement("optgroup");
  node.label = label;
  node.append(...options.map(([value, told]) => new Option(told, value)));
  return node;
}

function paint() {
  const chosen = at("shown").value;
  const lines = (run ? run.rows : []).flatMap(({ stage, strategy, curve }) => {
    if (chosen === `stage:${stage}`) return [{ name: strategy, points: curve }];
    if (chosen === `strategy:${strategy}`) return [{ name: stage || TURN, points: curve }];
    return [];
  });
  curves(at("curves"), at("curves-legend"), lines);
  const moments = run ? run.moments : [];
  const over = (key) => moments.map((moment) => [moment.t_s, moment[key]]);
  course(at("course"), at("course-legend"), [
    { name: "p50", points: over("p50_ms") },
    { name: "p95", points: over("p95_ms") },
    { name: "p99", points: over("p99_ms") },
  ]);
}

// Words

function state(word) {
  return { word, shape: "", kind: "", ...STATES[word] };
}

/** Whole ms, or one decimal near 0, as in the report. */
function ms(figure) {
  return figure < 9.95 ? figure.toFixed(1) : Math.round(figure).toLocaleString("en-US");
}

function many(count) {
  return count.toLocaleString("en-US");
}

// Beginning

at("shown").addEventListener("change", paint);
new ResizeObserver(paint).observe(at("curves"));
document.addEventListener("visibilitychange", () => (heard = performance.now()));
const frame = window.frameElement;
if (frame) {
  at("apart").hidden = false;
  const whole = document.documentElement;
  new ResizeObserver(() => {
    frame.style.height = `${Math.ceil(whole.getBoundingClientRect().height)}px`;
  }).observe(whole);
}
ask();
