// When traces began against how long they took, by uPlot. A click opens the nearest trace, a drag keeps its time only.
//
// For eyes and a pointer: the list below says the same in text.

import uPlot from "../vendor/uPlot.esm.js";
import { clockTime, day, duration } from "./format.js";
import { useSize } from "./hooks.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { canvasColour, onTheme } from "./theme.js";
import { titleOf } from "./tracelist.js";

const HEIGHT = 132;
const NEAR = 24; // CSS pixels around a point in which it is meant
const LEAST_MS = 0.001; // a logarithm has no 0

/** `onOpen(trace)`, `onRange(startUs, endUs)`. */
export function Scatter({ traces, onOpen, onRange }) {
  const box = useRef(null);
  const { width } = useSize(box);
  const [near, setNear] = useState(null);
  const [colours, setColours] = useState(0);
  const calls = useRef({});
  calls.current = { onOpen, onRange, setNear };
  useEffect(() => onTheme(() => setColours((number) => number + 1)), []);
  useEffect(() => {
    if (!width || !traces.length) return undefined;
    const plot = draw(box.current, width, traces, calls);
    return () => plot.destroy();
  }, [traces, width, colours]);
  const slowest = traces.reduce((most, trace) => Math.max(most, Number(trace.durationNano)), 0);
  const label = `Latency of ${traces.length} traces by their start; the longest took ${duration(slowest)}. The list below has each.`;
  return html`
    <figure class="scatter">
      <div class="plot" role="img" aria-label=${label} ref=${box}></div>
      <figcaption class="muted">
        ${near
          ? html`<b>${titleOf(near)}</b> ${duration(Number(near.durationNano))} at ${clockTime(near.startUnixNano)}`
          : "Duration by time. A click opens a trace, a drag keeps its time only."}
      </figcaption>
    </figure>
  `;
}

function draw(box, width, traces, calls) {
  const ordered = [...traces].sort((a, b) => (BigInt(a.startUnixNano) < BigInt(b.startUnixNano) ? -1 : 1));
  const xs = ordered.map((trace) => Number(BigInt(trace.startUnixNano) / 1000n) / 1e6);
  const ms = (wanted) => ordered.map((trace) => (wanted(trace) ? Math.max(LEAST_MS, Number(trace.durationNano) / 1e6) : null));
  const data = [xs, ms((trace) => !trace.errors), ms((trace) => trace.errors > 0)];
  const text = canvasColour(box, "--muted");
  const line = canvasColour(box, "--line");
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const points = (property, size) => {
    const fill = canvasColour(box, property);
    return { paths: () => null, points: { show: true, size, fill, stroke: fill, width: 0 } };
  };
  const plot = new uPlot(
    {
      width,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      cursor: { points: { show: false }, y: false, drag: { x: true, y: false, setScale: false } },
      scales: { x: { range: (_, from, to) => wider(from, to) }, y: { distr: 3, range: (_, from, to) => [from / 1.6, to * 1.6] } },
      axes: [
        { ...axis, size: 26, values: (_, splits) => splits.map((at) => momentOf(at, splits)), space: 90 },
        { ...axis, size: 58, values: (_, splits) => splits.map((at) => (at === null ? "" : duration(at * 1e6))), space: 24, grid: { ...axis.grid, filter: powers } },
      ],
      series: [{}, points("--point", 6), points("--bad", 7)],
      hooks: {
        setSelect: [(u) => u.select.width > 4 && calls.current.onRange(...selected(u))],
        setCursor: [(u) => calls.current.setNear(nearest(u, data, ordered))],
      },
    },
    data,
    box,
  );
  plot.over.addEventListener("click", () => {
    const trace = plot.select.width > 4 ? null : nearest(plot, data, ordered);
    if (trace) calls.current.onOpen(trace);
  });
  return plot;
}

/** A single point, or points of one moment, have room around them too. */
function wider(from, to) {
  const room = (to - from) * 0.05 || 0.5;
  return [from - room, to + room];
}

/** The time of day, as exactly as its neighbours need it; with the date, or as one, where they are hours or days away. */
function momentOf(seconds, splits) {
  const ns = BigInt(Math.round(seconds * 1000)) * 1000000n;
  const step = splits[1] - splits[0];
  if (step < 1) return clockTime(ns);
  if (step < 6 * 3600) return clockTime(ns).slice(0, 8);
  return step < 24 * 3600 ? `${day(ns).slice(5)} ${clockTime(ns).slice(0, 5)}` : day(ns);
}

/** The lines of a logarithmic scale that are whole powers of ten, if there are two of them; else all. */
function powers(_, splits) {
  const found = splits.map((at) => (at !== null && Math.abs(Math.log10(at) % 1) < 1e-9 ? at : null));
  return found.filter((at) => at !== null).length > 1 ? found : splits;
}

function selected(u) {
  const at = (px) => Math.round(u.posToVal(px, "x") * 1e6);
  return [at(u.select.left), at(u.select.left + u.select.width)];
}

function nearest(u, [xs, fine, failed], ordered) {
  const { left, top } = u.cursor;
  if (left === undefined || left < 0) return null;
  let best = null;
  let least = NEAR * NEAR;
  for (let i = 0; i < xs.length; i += 1) {
    const dx = u.valToPos(xs[i], "x") - left;
    const dy = u.valToPos(fine[i] ?? failed[i], "y") - top;
    const distance = dx * dx + dy * dy;
    if (distance < least) [best, least] = [ordered[i], distance];
  }
  return best;
}
