// The traces that were found, newest first: each a link, with a bar of its duration against the longest.

import { Errors, HttpStatus, Incomplete, Service } from "./badges.js";
import { clockTime, day, duration, percent, plural } from "./format.js";
import { html } from "./lib.js";

/** `fresh` holds the ids of those that came while somebody looked. */
export function TraceList({ traces, fresh }) {
  const longest = traces.reduce((most, trace) => Math.max(most, Number(trace.durationNano)), 0);
  return html`
    <ol class="traces" aria-label="Traces">
      ${traces.map((trace, index) => {
        const date = day(trace.startUnixNano);
        const newDay = index > 0 && day(traces[index - 1].startUnixNano) !== date;
        return html`<${Row} key=${trace.traceId} trace=${trace} longest=${longest} fresh=${fresh.has(trace.traceId)} date=${newDay ? date : ""} />`;
      })}
    </ol>
  `;
}

function Row({ trace, longest, fresh, date }) {
  const length = Number(trace.durationNano);
  const classes = ["trace", fresh && "fresh", trace.errors > 0 && "failed"].filter(Boolean).join(" ");
  return html`
    <li>
      ${date && html`<p class="date">${date}</p>`}
      <a class=${classes} href=${`/trace/${trace.traceId}`}>
        <span class="when">${clockTime(trace.startUnixNano)}</span>
        <span class="what">
          <b>${titleOf(trace)}</b> <${HttpStatus} code=${trace.httpStatus} />
          ${trace.errors > 0 && html` <${Errors} number=${trace.errors} />`} ${trace.incomplete && html` <${Incomplete} />`}
          ${trace.termination && html` <span class="ended">${trace.termination}</span>`}
        </span>
        <span class="who">
          ${trace.services.map(({ name, spans, errors }) => html`<${Service} name=${name}><span class="muted" title=${`${plural(spans, "span")}, ${plural(errors, "error")}`}> ${spans}</span><//> `)}
        </span>
        <span class="long">
          <span class="meter" aria-hidden="true"><i style=${{ width: percent(length, longest) }}></i></span>
          <span class="number">${duration(length)}</span>
        </span>
      </a>
    </li>
  `;
}

/** What a trace is about: method and path where its first span says them, else that span's name. */
export function titleOf(trace) {
  return trace.method && trace.path ? `${trace.method} ${trace.path}` : trace.name || trace.traceId;
}
