// The search: its form, the scatter, the list, live as traces come.

import { listen, searchTraces } from "./api.js";
import { Filters } from "./filters.js";
import { plural } from "./format.js";
import { useTitle } from "./hooks.js";
import { isPressable, useKeys } from "./keys.js";
import { html, useEffect, useMemo, useRef, useState } from "./lib.js";
import { navigate } from "./router.js";
import { Scatter } from "./scatter.js";
import { apiParams, fromQuery, searchUrl } from "./searchparams.js";
import { TraceList } from "./tracelist.js";

const SETTLE_MS = 400; // traces that come together are asked for together
const NOTHING = new Set();

export function SearchPage({ query }) {
  const values = useMemo(() => fromQuery(query), [query.toString()]);
  const url = searchUrl(values);
  const { found, problem, loading, again } = useSearch(values, url);
  const { live, setLive, state, waiting, fresh } = useLive(again, url);
  const list = useRef(null);
  useTitle("Traces");
  const move = (step) => () => focusRow(list.current, step);
  useKeys({
    "/": () => focusSearch(),
    j: move(1), k: move(-1), ArrowDown: move(1), ArrowUp: move(-1),
    l: () => setLive(!live),
    Enter: (event) => !isPressable(event.target) && move(1)(),
    Escape: (event) => event.target.blur?.(),
  });
  const traces = found?.traces ?? [];
  return html`
    <div class="page search">
      <h1 class="hidden">Traces</h1>
      <${Filters} values=${values} fresh=${found?.total ?? 0} problem=${problem} />
      ${traces.length > 0 && html`<${Scatter} traces=${traces} onOpen=${(trace) => navigate(`/trace/${trace.traceId}`)} onRange=${(start, end) => navigate(searchUrl({ ...values, range: "", start: String(start), end: String(end) }))} />`}
      <div class="list-head">
        <p role="status">${words(found, loading, problem)}</p>
        <button type="button" class="live" aria-pressed=${live ? "true" : "false"} title="Live (l)" onClick=${() => setLive(!live)}>
          <i class=${live ? state : "off"} aria-hidden="true"></i>${liveWords(live, state, waiting)}
        </button>
      </div>
      <div ref=${list}>
        ${found && !traces.length && html`<${Empty} all=${url === "/search"} />`}
        ${traces.length > 0 && html`<${TraceList} traces=${traces} fresh=${fresh} />`}
      </div>
    </div>
  `;
}

/** What was found; `again()` asks once more, at most once in a moment. */
function useSearch(values, url) {
  const [state, setState] = useState({ found: null, problem: "", loading: true });
  const [turn, setTurn] = useState(0);
  const timer = useRef(0);
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    ask(values, abort.signal).then((next) => !abort.signal.aborted && setState((before) => ({ ...before, ...next, loading: false })));
    return () => abort.abort();
  }, [url, turn]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const again = () => {
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      setTurn((number) => number + 1);
    }, SETTLE_MS);
  };
  return { ...state, again };
}

async function ask(values, signal) {
  try {
    return { found: await searchTraces(apiParams(values, Date.now()), signal), problem: "" };
  } catch (error) {
    return { problem: error.message };
  }
}

/** The live stream: which traces came since the search began, and how many wait while it is paused. */
function useLive(again, url) {
  const [live, setLive] = useState(true);
  const [state, setState] = useState("away");
  const [waiting, setWaiting] = useState(NOTHING);
  const [fresh, setFresh] = useState(NOTHING);
  const now = useRef({});
  now.current = { live, again };
  useEffect(
    () =>
      listen((trace) => {
        const add = (ids) => (ids.has(trace.traceId) ? ids : new Set([...ids, trace.traceId].slice(-1500)));
        if (!now.current.live) return setWaiting(add);
        setFresh(add);
        return now.current.again();
      }, (next) => {
        setState(next);
        // What came before the stream began, or while it was away, no event tells.
        if (next === "live" && now.current.live) now.current.again();
      }),
    [],
  );
  useEffect(() => setFresh(NOTHING), [url]);
  const change = (on) => {
    setLive(on);
    if (!on || !waiting.size) return;
    setFresh(waiting);
    setWaiting(NOTHING);
    again();
  };
  return { live, setLive: change, state, waiting: waiting.size, fresh };
}

function liveWords(live, state, waiting) {
  if (!live) return waiting ? `Paused, ${plural(waiting, "new trace")}` : "Paused";
  return state === "live" ? "Live" : "Connecting";
}

function words(found, loading, problem) {
  if (!found) return loading ? "Searching" : "";
  if (problem) return "";
  const { traces, total } = found;
  return total > traces.length ? `${plural(traces.length, "trace")} of ${total}, the newest` : plural(total, "trace");
}

function Empty({ all }) {
  if (!all) return html`<p class="empty">No trace is like that. <a href="/search">Show all traces</a>.</p>`;
  return html`
    <div class="empty">
      <p>No trace has come yet. This page shows each as soon as it does.</p>
      <p>OTLP is taken at <code>${location.origin}/v1/traces</code>. <a href="/status">The status</a> says what has come this far.</p>
    </div>
  `;
}

function focusSearch() {
  const box = document.querySelector("details.filter-box");
  if (box) box.open = true;
  document.querySelector(".filters [name=tags]")?.focus();
}

function focusRow(list, step) {
  const rows = [...list.querySelectorAll("a.trace")];
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
}
