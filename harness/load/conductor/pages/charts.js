// Lines in an SVG, each with a colour and a pattern of its own; it reads no figure from anywhere.
import { list } from "./tables.js";

const LOOKS = 8;
const EDGE = { left: 72, right: 16, top: 10, bottom: 40 };
const PERCENTS = [1, 50, 75, 90, 95, 99, 99.9];

/** Percentile against ms; the higher a percentile, the more room, as nines count there. */
export function curves(svg, legend, lines) {
  const x = (percent) => -Math.log10(1 - Math.min(percent, 99.95) / 100);
  draw(svg, legend, lines, {
    x,
    from: x(1),
    to: x(99.9),
    ticks: PERCENTS.map((percent) => [percent, String(percent)]),
    name: "percentile",
  });
}

/** Seconds since the origin against ms. */
export function course(svg, legend, lines) {
  const times = lines[0].points.map(([t]) => t);
  const from = times.length ? times[0] : 0;
  const to = Math.max(times.length ? times.at(-1) : 0, from + 30);
  const step = [5, 10, 30, 60, 120].find((each) => (to - from) / each <= 8) || 120;
  const ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push([t, String(t)]);
  draw(svg, legend, lines, { x: (t) => t, from, to, ticks, name: "seconds since the start" });
}

function draw(svg, legend, lines, axis) {
  const [width, height] = [svg.clientWidth || 600, svg.clientHeight || 300];
  const [step, top] = scale(lines);
  const { left, right, bottom } = EDGE;
  const span = axis.to - axis.from;
  const x = (at) => left + ((axis.x(at) - axis.from) / span) * (width - left - right);
  const y = (ms) => height - bottom - (ms / top) * (height - bottom - EDGE.top);
  const parts = [];
  for (let ms = 0; ms <= top + step / 2; ms += step) {
    parts.push(line(left, y(ms), width - right, y(ms), ms ? "rule" : "axis"));
    const told = ms + step / 2 > top ? `${count(ms)} ms` : count(ms);
    parts.push(text(left - 8, y(ms) + 4, told, "end"));
  }
  for (const [at, told] of axis.ticks) {
    parts.push(line(x(at), y(0), x(at), y(0) + 5, "axis"));
    parts.push(text(x(at), y(0) + 18, told, "middle"));
  }
  parts.push(text((left + width - right) / 2, height - 4, axis.name, "middle"));
  lines.forEach(({ points }, n) => {
    const path = element("path", { class: `curve c${n % LOOKS}`, d: way(points, x, y) });
    path.append(titled(lines[n].name));
    parts.push(path);
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.querySelector("desc").textContent = described(lines);
  svg.querySelector("g").replaceChildren(...parts);
  explain(legend, lines);
}

/** Steps of 1, 2 or 5, and the least multiple of them above all figures: it moves seldom. */
function scale(lines) {
  const known = lines.flatMap(({ points }) => points.map(([, ms]) => ms || 0));
  const most = Math.max(0, ...known) || 1000;
  const ten = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 5, 10].map((each) => each * ten).find((each) => most / each <= 5);
  return [step, Math.ceil(most / step) * step];
}

/** A figure that is null ends a line; what comes after it begins another. */
function way(points, x, y) {
  let on = false;
  return points
    .map(([at, ms]) => {
      const told = ms === null ? "" : `${on ? "L" : "M"}${x(at).toFixed(1)} ${y(ms).toFixed(1)}`;
      on = ms !== null;
      return told;
    })
    .join("");
}

function described(lines) {
  const told = lines.map(({ name, points }) => {
    const last = points.findLast(([, ms]) => ms !== null);
    return last ? `${name} up to ${count(last[1])} ms` : `${name}: nothing yet`;
  });
  return `${told.join("; ")}. The table below has the figures.`;
}

function explain(legend, lines) {
  const names = lines.map(({ name }) => name);
  if (legend.dataset.names === JSON.stringify(names)) return;
  legend.dataset.names = JSON.stringify(names);
  list(legend, names);
  names.forEach((_, n) => {
    const sample = element("svg", { viewBox: "0 0 30 8", "aria-hidden": "true" });
    sample.append(element("path", { class: `curve c${n % LOOKS}`, d: "M0 4L30 4" }));
    legend.children[n].prepend(sample);
  });
}

function count(ms) {
  return ms.toLocaleString("en-US", { maximumFractionDigits: ms < 10 ? 1 : 0 });
}

function line(x1, y1, x2, y2, kind) {
  return element("line", { x1, y1, x2, y2, class: kind });
}

function text(x, y, told, anchor) {
  const node = element("text", { x, y, "text-anchor": anchor });
  node.textContent = told;
  return node;
}

function titled(name) {
  const node = element("title", {});
  node.textContent = name;
  return node;
}

function element(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
