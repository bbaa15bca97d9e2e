// HAProxy's phases: what a span of HAProxy spent its time with, by its timers. Pure.
//
// The agent tells them as spans (the default) or as events with a duration; docs/records.md has both. As spans they are
// leaves of the scope haproxy_telemetry with these names, under the span that they are parts of.

export const SCOPE = "haproxy_telemetry";

/** The phases in their order: the name on the wire, the word, what it is. */
export const PHASES = [
  ["receive request", "receive", "the client sends its request's headers (TR)"],
  ["tarpit", "tarpit", "HAProxy holds the request on purpose"],
  ["queue", "queue", "the request waits for a free slot of a server, or for tries that failed before (Tw)"],
  ["connect", "connect", "HAProxy connects to the server (Tc)"],
  ["wait for response", "wait", "the server makes its response's headers (Tr)"],
  ["transfer", "transfer", "the rest of the response goes to the client"],
];

const WORDS = new Map(PHASES.map(([name, word]) => [name, word]));
const ORDER = new Map(PHASES.map(([, word], index) => [word, index]));

/** Phases as they followed each other; those that took no time stand where they belong. */
export function inOrder(phases) {
  return phases.sort((a, b) => a.start - b.start || ORDER.get(a.word) - ORDER.get(b.word));
}

/** Whether there is something to draw. */
export function lasted(phase) {
  return phase.end > phase.start || phase.error;
}

/** Split spans into those that are phases, by their parent's id, and the others. */
export function splitPhases(spans) {
  const parents = new Set(spans.map((span) => span.parentId));
  const services = new Map(spans.map((span) => [span.id, span.service]));
  const phases = new Map();
  const others = [];
  for (const span of spans) {
    if (isPhase(span) && !parents.has(span.id) && services.get(span.parentId) === span.service) {
      if (!phases.has(span.parentId)) phases.set(span.parentId, []);
      phases.get(span.parentId).push(phaseOf(span));
    } else {
      others.push(span);
    }
  }
  return { phases, others };
}

function isPhase(span) {
  return span.kind === "internal" && span.scope.name === SCOPE && WORDS.has(span.name);
}

function phaseOf(span) {
  return { word: WORDS.get(span.name), start: span.start, end: span.end, error: span.error, span };
}

/** The phases that a span tells as events. */
export function phaseEvents(span) {
  return span.events.flatMap((event) => {
    const seconds = event.attributes.findLast(([key]) => key === "haproxy.phase.duration")?.[1];
    if (!WORDS.has(event.name) || typeof seconds !== "number") return [];
    const end = event.time + Math.round(seconds * 1e9);
    return [{ word: WORDS.get(event.name), start: event.time, end, error: false, span: null }];
  });
}
