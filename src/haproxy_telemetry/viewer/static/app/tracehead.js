// What stands above the waterfall: what the trace is about, where its time went, what can be done with it.

import { Errors, HttpStatus, Incomplete, Service } from "./badges.js";
import { colourOf } from "./colours.js";
import { capital } from "./details.js";
import { dateTime, duration, percent, plural } from "./format.js";
import { html, useState } from "./lib.js";
import { textOf, valueOf } from "./otlp.js";
import { PHASES } from "./phases.js";

const MOST_TITLE = 160; // characters; the span's attributes have all of it
const MOST_SERVICES = 6;

/** What a trace is called: its first span's method and path, else that span's name. */
export function traceTitle(root) {
  const method = textOf(root.span.attributes, "http.request.method");
  const path = textOf(root.span.attributes, "url.path");
  return method && path ? `${method} ${path}` : root.span.name || "Trace";
}

export function TraceHead({ trace, root, path }) {
  const { span } = root;
  const status = valueOf(span.attributes, "http.response.status_code");
  const errors = trace.spans.filter((one) => one.error).length;
  return html`
    <div class="trace-head">
      <h1>${shortened(traceTitle(root))} ${status !== undefined && html`<${HttpStatus} code=${Number(status)} />`}</h1>
      <p class="facts">
        <b>${duration(trace.length)}</b> <span>${plural(trace.spans.length, "span")}</span>
        <${Errors} number=${errors} /> ${trace.spans.some((one) => one.incomplete) && html`<${Incomplete} />`}
        <span class="muted">${dateTime(trace.begin)}</span> <code class="trace-id" title="Trace id">${trace.traceId}</code>
      </p>
      <${Endings} trace=${trace} />
      <${Spent} path=${path} services=${trace.services} />
    </div>
  `;
}

/** Each way in which HAProxy ended a stream that did not just end. */
function Endings({ trace }) {
  const found = trace.spans.filter((span) => textOf(span.attributes, "haproxy.termination.reason"));
  return found.slice(0, 5).map((span) => html`
    <p class=${`banner ${span.error ? "bad" : "warn"}`}>
      <span class="muted">${span.service}</span> <b>${capital(textOf(span.attributes, "haproxy.termination.reason"))}</b>${" "}
      <code title="HAProxy's termination state">${textOf(span.attributes, "haproxy.termination.state")}</code>
    </p>
  `);
}

function shortened(text) {
  return text.length > MOST_TITLE ? `${text.slice(0, MOST_TITLE)}…` : text;
}

/** Whose time the critical path is. */
function Spent({ path, services }) {
  const parts = [...path.byService].sort((a, b) => b[1] - a[1]);
  const counts = new Map(services.map((service) => [service.name, service.spans]));
  return html`
    <div class="spent">
      <div class="spent-bar" aria-hidden="true">
        ${parts.map(([service, ns]) => html`<i class=${colourOf(service)} style=${{ width: percent(ns, path.length) }}></i>`)}
      </div>
      <ul aria-label="Time on the critical path by service">
        ${parts.slice(0, MOST_SERVICES).map(([service, ns]) => html`<li><${Service} name=${service} /> ${duration(ns)} <span class="muted">${Math.round((ns / path.length) * 100)} %, ${plural(counts.get(service), "span")}</span></li>`)}
        ${parts.length > MOST_SERVICES && html`<li class="muted">and ${plural(parts.length - MOST_SERVICES, "other")}</li>`}
      </ul>
    </div>
  `;
}

/** The buttons, and what the colours of the phases mean. */
export function Toolbar({ trace, words, options, onOption, zoomed, onReset, onZoom, allCollapsed, onFoldAll }) {
  const [hint, setHint] = useState(false);
  const toggle = (name, text, key) => html`
    <button type="button" aria-pressed=${options[name] ? "true" : "false"} title=${`${text} (${key})`} onClick=${() => onOption(name)}>${text}</button>
  `;
  return html`
    <div class="toolbar" role="toolbar" aria-label="The waterfall">
      ${toggle("critical", "Critical path", "c")} ${words.length > 0 && toggle("phases", "Phases as spans", "p")}
      <button type="button" title="x" onClick=${onFoldAll}>${allCollapsed ? "Expand all" : "Collapse all"}</button>
      <span class="group">
        <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => onZoom(0.5)}>+</button>
        <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick=${() => onZoom(2)}>−</button>
        ${zoomed && html`<button type="button" title="0" onClick=${onReset}>Whole trace</button>`}
      </span>
      <span class="group right">
        <a class="button" download href=${`/api/viewer/traces/${trace.traceId}/download`}>OTLP JSON</a>
        <a class="button" download href=${`/api/viewer/traces/${trace.traceId}/perfetto`} onClick=${() => setHint(true)}>Perfetto</a>
      </span>
    </div>
    ${hint && html`<p class="banner" role="status">The file that was just saved opens in Perfetto (ui.perfetto.dev) by <b>Open trace file</b>, or in chrome://tracing. Nothing is sent from here. <button type="button" class="link" onClick=${() => setHint(false)}>Close</button></p>`}
    ${words.length > 0 && html`
      <ul class="legend" aria-label="HAProxy's phases">
        ${PHASES.filter(([, word]) => words.includes(word)).map(([, word, what]) => html`<li title=${what}><i class=${`swatch ph-${word}`} aria-hidden="true"></i>${word}</li>`)}
      </ul>
    `}
  `;
}
