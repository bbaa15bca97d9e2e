// The viewer's API, on this very host. An answer that is no success becomes an ApiError with the server's words.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function get(path, params, signal) {
  const query = new URLSearchParams(Object.entries(params ?? {}).filter(([, value]) => value !== "" && value !== undefined));
  let answer;
  try {
    answer = await fetch(query.size ? `${path}?${query}` : path, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the viewer does not answer: has it ended?");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, wordsOf(body) ?? `the viewer answers with HTTP ${answer.status}`);
  if (body === null) throw new ApiError(answer.status, "the viewer's answer is no JSON");
  return body;
}

function wordsOf(body) {
  return body?.errors?.[0]?.msg ?? body?.error?.message;
}

export const searchTraces = (params, signal) => get("/api/viewer/traces", params, signal);
export const services = async (signal) => (await get("/api/services", {}, signal)).data ?? [];
export const operations = async (service, signal) =>
  (await get(`/api/services/${encodeURIComponent(service)}/operations`, {}, signal)).data ?? [];
export const trace = async (id, signal) => (await get(`/api/v3/traces/${encodeURIComponent(id)}`, {}, signal)).result;
export const graph = (lookback, signal) => get("/api/viewer/graph", { lookback }, signal);
export const status = (signal) => get("/api/viewer/status", {}, signal);

/** Listen to the live stream; returns a function that ends it. `onState` is told "live" or "away". */
export function listen(onTrace, onState) {
  const source = new EventSource("/api/viewer/live");
  source.addEventListener("open", () => onState("live"));
  source.addEventListener("error", () => onState("away"));
  source.addEventListener("trace", (event) => onTrace(JSON.parse(event.data)));
  return () => source.close();
}
