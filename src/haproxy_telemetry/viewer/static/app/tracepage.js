// One trace: head, minimap, waterfall, details. What is chosen is here; how it looks is in the parts.

import * as api from "./api.js";
import { criticalPath } from "./critical.js";
import { Details } from "./details.js";
import { useLoad, useNarrow, useTitle } from "./hooks.js";
import { isPressable, useKeys } from "./keys.js";
import { html, useEffect, useMemo, useRef, useState } from "./lib.js";
import { Minimap } from "./minimap.js";
import { readTrace } from "./otlp.js";
import { lasted } from "./phases.js";
import { cameFromHere, navigate } from "./router.js";
import { TraceHead, Toolbar, traceTitle } from "./tracehead.js";
import { buildTree, foldable, visibleRows } from "./tree.js";
import { isWhole, moved, whole, zoomed } from "./view.js";
import { Waterfall } from "./waterfall.js";

export function TracePage({ id, span }) {
  const { data, error } = useLoad((signal) => api.trace(id, signal).then(readTrace), [id]);
  if (data?.spans.length) return html`<${Trace} trace=${data} span=${span} />`;
  if (error) return html`<${Missing} id=${id} error=${error} />`;
  return html`<div class="page"><p role="status">Loading the trace</p></div>`;
}

function Missing({ id, error }) {
  useTitle("No trace");
  useKeys({ Escape: leave, "/": () => navigate("/search") });
  return html`
    <div class="page">
      <h1>${error.status === 404 ? "This trace is not here" : "The trace cannot be shown"}</h1>
      <p><code>${id}</code></p>
      <p>${error.status === 404 ? "It has not come here, was not sampled, or was so old that it had to go." : error.message}</p>
      <p><a href="/search">Search for traces</a></p>
    </div>
  `;
}

function leave() {
  if (cameFromHere()) history.back();
  else navigate("/search");
}

function Trace({ trace, span }) {
  const [options, setOptions] = useState({ critical: true, phases: false });
  const [collapsed, setCollapsed] = useState(() => new Set());
  const [view, setView] = useState(() => whole(trace.length));
  const [open, setOpen] = useState(span !== "");
  const [active, setActive] = useState(span);
  const focus = useRef(null);
  const tree = useMemo(() => buildTree(trace, options.phases), [trace, options.phases]);
  const numbers = useMemo(() => new Map(tree.nodes.map((node, number) => [node, number])), [tree]);
  const path = useMemo(() => criticalPath(buildTree(trace).roots), [trace]);
  const words = useMemo(() => [...new Set(buildTree(trace).nodes.flatMap((node) => node.phases.filter(lasted).map((phase) => phase.word)))], [trace]);
  const rows = useMemo(() => visibleRows(tree.roots, collapsed), [tree, collapsed]);
  const root = tree.roots[0];
  const selected = tree.byId.get(active) ?? null;
  const folds = useMemo(() => foldable(tree.nodes), [tree]);
  const allCollapsed = folds.length > 0 && folds.every((one) => collapsed.has(one));
  useTitle(traceTitle(root));

  // A link of another page, or of the details, may name a span that is below a collapsed one.
  const choose = (spanId, details) => {
    const node = tree.byId.get(spanId);
    if (!node) return;
    setCollapsed((before) => without(before, ancestors(node)));
    setActive(node.span.id);
    if (details) setOpen(true);
  };
  useEffect(() => choose(span, true), [span]);
  useEffect(() => {
    const wanted = open && selected ? `?span=${encodeURIComponent(selected.span.id)}` : "";
    if (location.search !== wanted) history.replaceState(history.state, "", location.pathname + wanted);
  }, [open, selected]);
  useEffect(() => focus.current.querySelector(".waterfall").focus({ preventScroll: true }), []);
  const narrow = useNarrow();
  useEffect(() => {
    // On a phone the details cover the lower half: the span that they are about stays in sight.
    if (narrow && open && selected) focus.current.querySelector(".waterfall").scrollIntoView({ block: "start" });
  }, [narrow, open, selected]);

  const fold = (node, folded) => setCollapsed((before) => (folded ? new Set([...before, node.span.id]) : without(before, [node.span.id])));
  const foldAll = () => setCollapsed(allCollapsed ? new Set() : new Set(folds));
  const select = (node) => {
    setActive(node.span.id);
    setOpen(true);
  };
  const step = (by) => () => {
    const at = selected ? rows.indexOf(selected) : -1;
    const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    setActive(next.span.id);
  };
  const close = () => {
    setOpen(false);
    focus.current.querySelector(".waterfall").focus();
  };
  const option = (name) => setOptions((before) => ({ ...before, [name]: !before[name] }));
  const zoom = (factor) => setView((before) => zoomed(before, factor, trace.length));
  useKeys({
    j: step(1), k: step(-1), ArrowDown: step(1), ArrowUp: step(-1), PageDown: step(15), PageUp: step(-15), Home: step(-Infinity), End: step(Infinity),
    ArrowRight: () => right(selected, collapsed, fold, choose),
    ArrowLeft: () => left(selected, collapsed, fold, choose),
    Enter: (event) => !isPressable(event.target) && selected && setOpen(true),
    Escape: () => (open && selected ? close() : leave()),
    "/": () => navigate("/search"),
    c: () => option("critical"), p: () => option("phases"), x: foldAll,
    e: () => choose(nextError(tree.roots, selected), open),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => setView(whole(trace.length)),
    "Shift+ArrowLeft": () => setView((before) => moved(before, -0.25, trace.length)),
    "Shift+ArrowRight": () => setView((before) => moved(before, 0.25, trace.length)),
  });
  return html`
    <div class=${open && selected ? "trace-page with-details" : "trace-page"} ref=${focus}>
      <div class="trace-main">
        <${TraceHead} trace=${trace} root=${root} path=${path} />
        <${Toolbar}
          trace=${trace} words=${words} options=${options} onOption=${option}
          zoomed=${!isWhole(view, trace.length)} onReset=${() => setView(whole(trace.length))} onZoom=${zoom}
          allCollapsed=${allCollapsed} onFoldAll=${foldAll}
        />
        <${Minimap} rows=${rows} length=${trace.length} view=${view} onView=${setView} />
        <${Waterfall}
          rows=${rows} numbers=${numbers} view=${view} selected=${selected} collapsed=${collapsed}
          critical=${options.critical ? path.sections : null} onSelect=${select} onFold=${(node) => fold(node, !collapsed.has(node.span.id))}
        />
      </div>
      ${open && selected && html`<${Details} node=${selected} trace=${trace} known=${(id) => tree.byId.has(id)} onClose=${close} onSelect=${(id) => choose(id, true)} />`}
    </div>
  `;
}

function without(set, ids) {
  const rest = new Set(set);
  for (const id of ids) rest.delete(id);
  return rest;
}

function ancestors(node) {
  const ids = [];
  for (let up = node.parent; up; up = up.parent) ids.push(up.span.id);
  return ids;
}

/** Open what is below; then go to the first child. */
function right(node, collapsed, fold, choose) {
  if (!node?.children.length) return;
  if (collapsed.has(node.span.id)) fold(node, false);
  else choose(node.children[0].span.id, false);
}

/** Close what is below; then go to the parent. */
function left(node, collapsed, fold, choose) {
  if (!node) return;
  if (node.children.length && !collapsed.has(node.span.id)) fold(node, true);
  else if (node.parent) choose(node.parent.span.id, false);
}

/** The next span in error below the selected one, from the top again after the last. */
function nextError(roots, selected) {
  const all = visibleRows(roots, new Set());
  const at = all.indexOf(selected);
  const found = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((node) => node.span.error);
  return found?.span.id;
}
