// All about one span: how it ended, its phases, attributes, events, links.

import { HttpStatus, Incomplete, Service } from "./badges.js";
import { dateTime, duration, percent } from "./format.js";
import { html, useEffect, useRef } from "./lib.js";
import { show, textOf, valueOf } from "./otlp.js";
import { searchUrl, writeTag } from "./searchparams.js";

const ID = /^[0-9a-f]{1,32}$/;

/** `known` tells whether a span id is of this trace. */
export function Details({ node, trace, known, onClose, onSelect }) {
  const { span } = node;
  const title = useRef(null);
  const status = valueOf(span.attributes, "http.response.status_code");
  useEffect(() => title.current.closest("aside").scrollTo(0, 0), [span.id]);
  return html`
    <aside class="details" aria-labelledby="details-title">
      <div class="details-head">
        <h2 id="details-title" tabindex="-1" ref=${title}>${span.name || "(no name)"} ${status !== undefined && html`<${HttpStatus} code=${Number(status)} />`}</h2>
        <button type="button" class="icon" aria-label="Close the details" title="Close (Esc)" onClick=${onClose}><span aria-hidden="true">×</span></button>
      </div>
      <p class="facts"><${Service} name=${span.service} /> <span class="muted">${span.kind}</span> ${span.incomplete && html`<${Incomplete} />`}</p>
      <${Ending} span=${span} />
      <dl class="pairs">
        ${pair("Duration", duration(span.end - span.start))} ${pair("Starts after", duration(span.start))}
        ${pair("Started", dateTime(trace.begin + BigInt(span.start)))}
        ${pair("Span", html`<code>${span.id}</code>`)}
        ${pair("Parent", span.parentId ? parentOf(span, known, onSelect) : "none: the trace begins here")}
        ${span.traceState && pair("Trace state", html`<code>${span.traceState}</code>`)}
        ${span.dropped.length > 0 && pair("Left out", `by its sender: ${span.dropped.join(", ")}`)}
      </dl>
      <${PhaseTable} node=${node} />
      <${Pairs} title="Attributes" pairs=${span.attributes} search />
      <${Events} span=${span} />
      <${Links} span=${span} trace=${trace} known=${known} onSelect=${onSelect} />
      <${Pairs} title="Resource" pairs=${span.resource} search />
      <p class="muted scope">Scope ${span.scope.name || "not named"} ${span.scope.version}</p>
    </aside>
  `;
}

/** Why and how it ended, in words. */
function Ending({ span }) {
  const reason = textOf(span.attributes, "haproxy.termination.reason");
  const state = textOf(span.attributes, "haproxy.termination.state");
  const problem = span.error ? textOf(span.attributes, "error.type") || span.message || "in error" : "";
  return html`
    ${problem && html`<p class="banner bad"><b>Error</b> ${problem}${span.message && span.message !== problem ? `: ${span.message}` : ""}</p>`}
    ${reason && html`<p class=${`banner ${problem ? "bad" : "warn"}`}><b>${capital(reason)}</b> ${state && html`<code title="HAProxy's termination state">${state}</code>`}</p>`}
    ${span.incomplete && html`<p class="banner warn"><b>Incomplete</b> no end was told; the end is its last event, or a guess</p>`}
  `;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function pair(name, value) {
  return html`<div><dt>${breakable(name)}</dt><dd>${value}</dd></div>`;
}

/** A name that breaks behind its dots, where it has to. */
function breakable(name) {
  return name.split(/(?<=[._])/).flatMap((part, index) => (index ? [html`<wbr />`, part] : [part]));
}

function parentOf(span, known, onSelect) {
  if (!known(span.parentId)) return html`<code>${span.parentId}</code> <span class="muted">has not come here</span>`;
  return html`<button type="button" class="link" onClick=${() => onSelect(span.parentId)}><code>${span.parentId}</code></button>`;
}

function PhaseTable({ node }) {
  const { phases, span } = node;
  if (!phases.length) return null;
  const all = Math.max(span.end - span.start, 1);
  return html`
    <section>
      <h3>HAProxy's phases</h3>
      <table class="phases">
        <thead><tr><th scope="col">Phase</th><th scope="col" class="number">Time</th><th scope="col"><span class="hidden">Share of the span</span></th></tr></thead>
        <tbody>
          ${phases.map((phase) => html`
            <tr class=${phase.error ? "failed" : ""}>
              <th scope="row"><i class=${`swatch ph-${phase.word}`} aria-hidden="true"></i>${phase.word}${phase.error ? " (ended here)" : ""}</th>
              <td class="number">${duration(phase.end - phase.start)}</td>
              <td class="share"><i class=${`phase-share ph-${phase.word}`} style=${{ marginLeft: percent(phase.start - span.start, all), width: percent(phase.end - phase.start, all) }}></i></td>
            </tr>
          `)}
        </tbody>
      </table>
    </section>
  `;
}

/** Key and value, in their order; a click on a value searches for traces that have it. */
function Pairs({ title, pairs, search }) {
  if (!pairs.length) return null;
  return html`
    <section>
      <h3>${title}</h3>
      <dl class="pairs attributes">
        ${pairs.map(([key, value]) => pair(key, search && isScalar(value) ? html`<a class="quiet" title="Search for traces with it" href=${tagUrl(key, value)}>${show(value)}</a>` : show(value)))}
      </dl>
    </section>
  `;
}

function isScalar(value) {
  return value !== null && value !== "" && typeof value !== "object" && String(value).length <= 200;
}

function tagUrl(key, value) {
  return /^[^\s="]+$/.test(key) ? searchUrl({ tags: writeTag(key, show(value)) }) : "/search";
}

function Events({ span }) {
  if (!span.events.length) return null;
  return html`
    <section>
      <h3>Events</h3>
      <ol class="events">
        ${span.events.map((event) => html`
          <li>
            <p><b>${event.name || "(no name)"}</b> <span class="muted">after ${duration(event.time - span.start)}</span></p>
            <dl class="pairs attributes">${event.attributes.map(([key, value]) => pair(key, show(value)))}</dl>
          </li>
        `)}
      </ol>
    </section>
  `;
}

function Links({ span, trace, known, onSelect }) {
  if (!span.links.length) return null;
  return html`
    <section>
      <h3>Links</h3>
      <ul class="links">
        ${span.links.map((link) => html`
          <li>
            ${linkTarget(link, trace, known, onSelect)}
            <dl class="pairs attributes">${link.attributes.map(([key, value]) => pair(key, show(value)))}</dl>
          </li>
        `)}
      </ul>
    </section>
  `;
}

function linkTarget(link, trace, known, onSelect) {
  if (link.traceId === trace.traceId && known(link.spanId))
    return html`<button type="button" class="link" onClick=${() => onSelect(link.spanId)}>Span <code>${link.spanId}</code> of this trace</button>`;
  if (!ID.test(link.traceId)) return html`<code>${link.traceId} ${link.spanId}</code>`;
  const query = ID.test(link.spanId) ? `?span=${link.spanId}` : "";
  return html`<a href=${`/trace/${link.traceId}${query}`}>Trace <code>${link.traceId}</code></a>`;
}
