// OTLP JSON as spans that the page can draw. Pure; tolerant of what is missing, since anybody may send OTLP.
//
// A span's start and end are Numbers: nanoseconds after the trace's begin, which is a BigInt. (A double holds
// nanoseconds exactly for 104 days.)

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUS_ERROR = 2;

/** Read a `TracesData` into {traceId, begin, length, spans, services}; spans in order of start. */
export function readTrace(data) {
  const raw = [];
  for (const fromResource of data.resourceSpans ?? []) {
    const resource = attributes(fromResource.resource?.attributes);
    const service = textOf(resource, "service.name") || "unknown_service";
    for (const fromScope of fromResource.scopeSpans ?? []) {
      const scope = { name: fromScope.scope?.name ?? "", version: fromScope.scope?.version ?? "" };
      for (const span of fromScope.spans ?? []) raw.push({ span, service, resource, scope });
    }
  }
  const begin = raw.reduce((least, { span }) => min(least, big(span.startTimeUnixNano)), null) ?? 0n;
  const spans = raw.map((one) => readSpan(one, begin)).sort((a, b) => a.start - b.start || b.end - a.end);
  return {
    traceId: spans[0]?.traceId ?? "",
    begin,
    length: spans.reduce((most, span) => Math.max(most, span.end), 0),
    spans,
    services: servicesOf(spans),
  };
}

function readSpan({ span, service, resource, scope }, begin) {
  const start = Number(big(span.startTimeUnixNano) - begin);
  const own = attributes(span.attributes);
  return {
    traceId: span.traceId ?? "",
    id: span.spanId ?? "",
    parentId: span.parentSpanId ?? "",
    traceState: span.traceState ?? "",
    name: span.name ?? "",
    kind: KINDS[span.kind ?? 0] ?? String(span.kind),
    service,
    resource,
    scope,
    start,
    // Clocks and broken exporters: a span that ends before it starts has no length.
    end: Math.max(start, Number(big(span.endTimeUnixNano) - begin)),
    attributes: own,
    events: (span.events ?? []).map((event) => ({
      time: Number(big(event.timeUnixNano) - begin),
      name: event.name ?? "",
      attributes: attributes(event.attributes),
    })),
    links: (span.links ?? []).map((link) => ({
      traceId: link.traceId ?? "",
      spanId: link.spanId ?? "",
      attributes: attributes(link.attributes),
    })),
    error: span.status?.code === STATUS_ERROR,
    message: span.status?.message ?? "",
    incomplete: valueOf(own, "haproxy.incomplete") === true,
    dropped: dropped(span),
  };
}

/** What the sender says that it left out, in words. */
function dropped(span) {
  const counts = [
    [span.droppedAttributesCount, "attributes"],
    [span.droppedEventsCount, "events"],
    [span.droppedLinksCount, "links"],
  ];
  return counts.filter(([number]) => number).map(([number, what]) => `${number} ${what}`);
}

function big(text) {
  try {
    return BigInt(text ?? 0);
  } catch {
    return 0n;
  }
}

function min(a, b) {
  return a === null || b < a ? b : a;
}

/** OTLP's list of pairs as [key, value] pairs, in their order. */
export function attributes(list) {
  return (list ?? []).map((pair) => [String(pair.key ?? ""), plain(pair.value)]);
}

function plain(value) {
  if (value === null || value === undefined) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return big(value.intValue);
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.bytesValue !== undefined) return `base64 ${value.bytesValue}`;
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plain);
  if (value.kvlistValue !== undefined) return Object.fromEntries(attributes(value.kvlistValue.values));
  return null;
}

/** The value of the last pair with this key, as in a map; undefined without one. */
export function valueOf(pairs, key) {
  return pairs.findLast(([name]) => name === key)?.[1];
}

/** The same as text, "" without one. */
export function textOf(pairs, key) {
  const value = valueOf(pairs, key);
  return value === undefined || value === null ? "" : show(value);
}

/** A value as text. */
export function show(value) {
  if (typeof value === "string") return value;
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? Number(inner) : inner));
}

function servicesOf(spans) {
  const counts = new Map();
  for (const span of spans) {
    const one = counts.get(span.service) ?? { name: span.service, spans: 0, errors: 0 };
    one.spans += 1;
    one.errors += span.error ? 1 : 0;
    counts.set(span.service, one);
  }
  return [...counts.values()];
}
