// What is searched for: from the address to the form, and to the API's parameters. Pure; the time comes in.

export const FIELDS = ["service", "operation", "tags", "min", "max", "status", "range", "start", "end", "limit"];

export const RANGES = [
  ["", "Any time"],
  ["5m", "Last 5 minutes"],
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["6h", "Last 6 hours"],
  ["24h", "Last 24 hours"],
];
export const STATES = [
  ["", "Any"],
  ["error", "With errors"],
  ["ok", "Without errors"],
  ["incomplete", "Incomplete"],
];
export const LIMITS = ["100", "500", "1500"];

const SECONDS = { m: 60, h: 3600 };

/** The form's values from a query; what is not said is "". */
export function fromQuery(query) {
  return Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
}

/** The address of a search. */
export function searchUrl(values) {
  const query = new URLSearchParams(FIELDS.filter((name) => values[name]).map((name) => [name, values[name]]));
  return query.size ? `/search?${query}` : "/search";
}

/** The API's parameters: times in microseconds, tags as JSON. Throws a TypeError that says what is wrong. */
export function apiParams(values, nowMs) {
  const tags = parseTags(values.tags);
  const range = /^(\d+)([mh])$/.exec(values.range);
  return {
    service: values.service,
    operation: values.operation,
    tags: Object.keys(tags).length ? JSON.stringify(tags) : "",
    minDuration: values.min.replaceAll(" ", ""),
    maxDuration: values.max.replaceAll(" ", ""),
    status: values.status === "incomplete" ? "" : values.status,
    incomplete: values.status === "incomplete" ? "1" : "",
    start: values.start || (range ? String(Math.round((nowMs - range[1] * SECONDS[range[2]] * 1000) * 1000)) : ""),
    end: values.end,
    limit: values.limit || LIMITS[0],
  };
}

/** Read `key=value other="with spaces"` as an object. */
export function parseTags(text) {
  const tags = {};
  let rest = text.trim();
  while (rest) {
    const found = /^([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)/.exec(rest);
    if (!found) throw new TypeError(`Tags are written key=value, or key="value with spaces"; this is not: ${rest}`);
    tags[found[1]] = found[2] === undefined ? found[3] : found[2].replace(/\\(.)/g, "$1");
    rest = rest.slice(found[0].length);
  }
  return tags;
}

/** Write a tag so that parseTags reads it. */
export function writeTag(key, value) {
  return /^[^\s"]+$/.test(value) ? `${key}=${value}` : `${key}="${value.replace(/["\\]/g, "\\$&")}"`;
}
