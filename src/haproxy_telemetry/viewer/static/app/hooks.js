// What several pages do: load something, know whether the screen is narrow, know a size.

import { useEffect, useState } from "./lib.js";

/** Load by `load(signal)`, again when `deps` change; {data, error, loading}. What was there stays until the next is. */
export function useLoad(load, deps) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    load(abort.signal).then(
      (data) => !abort.signal.aborted && setState({ data, error: null, loading: false }),
      (error) => !abort.signal.aborted && setState((before) => ({ data: before.data, error, loading: false })),
    );
    return () => abort.abort();
  }, deps);
  return state;
}

/** Whether the screen is as narrow as a phone's; the stylesheet has the same width. */
export function useNarrow() {
  const query = matchMedia("(max-width: 720px)");
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const changed = () => setNarrow(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return narrow;
}

/** The size of an element, by its ref: {width, height}, 0 before it is there. */
export function useSize(ref) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return size;
}

/** The title of the browser's window. */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · haproxy-telemetry` : "haproxy-telemetry";
  }, [title]);
}
