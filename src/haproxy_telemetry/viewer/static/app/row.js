// One line of the waterfall: what the span is, how long it took, and its bar.

import { colourOf } from "./colours.js";
import { duration } from "./format.js";
import { html } from "./lib.js";
import { textOf } from "./otlp.js";
import { lasted } from "./phases.js";
import { joined, placed } from "./view.js";

const MOST_INDENT = 24; // levels; deeper ones stand below each other

/** The words of a span's line: its name, the server that it waits for, what went wrong. */
export function wordsOf(span) {
  const server = span.kind === "client" ? textOf(span.attributes, "haproxy.server.name") : "";
  return { name: span.name || "(no name)", server, problem: span.error ? textOf(span.attributes, "error.type") || span.message || "error" : "" };
}

export function Row({ node, index, row, height, view, selected, collapsed, critical, onSelect, onFold }) {
  const { span } = node;
  const { name, server, problem } = wordsOf(span);
  const folded = node.children.length > 0 && collapsed;
  const classes = ["row", selected && "selected", span.error && "failed", span.incomplete && "open-ended"].filter(Boolean).join(" ");
  return html`
    <div
      class=${classes}
      role="row"
      id=${rowId(row)}
      aria-level=${node.depth + 1}
      aria-rowindex=${index + 2}
      aria-selected=${selected ? "true" : "false"}
      aria-expanded=${node.children.length ? String(!collapsed) : undefined}
      style=${{ transform: `translateY(${index * height}px)` }}
      onClick=${() => onSelect(node)}
    >
      <div role="gridcell" class="cell name" style=${{ paddingLeft: `${Math.min(node.depth, MOST_INDENT) * 14 + 4}px` }}>
        ${twisty(node, collapsed, onFold)}
        <i class=${`dot ${colourOf(span.service)}`} aria-hidden="true"></i>
        <span class="words">
          ${span.error && html`<b class="bang" title="error">!</b>`}
          <span class="muted">${span.service}</span> <b>${name}</b>
          ${server && html` <span class="server"><span aria-hidden="true">→ </span>${server}</span>`}
          ${problem && html` <span class="problem-word">${problem}</span>`}
          ${span.incomplete && html` <span class="mark warn">incomplete</span>`}
          ${node.orphan && html` <span class="mark" title="Its parent has not come">no parent</span>`}
          ${folded && html` <span class=${node.errorsInside ? "mark bad" : "mark"}>+${node.inside}${node.errorsInside ? `, ${node.errorsInside} in error` : ""}</span>`}
        </span>
      </div>
      <div role="gridcell" class="cell long">${duration(span.end - span.start)}</div>
      <div role="gridcell" class="cell time">
        <span class="hidden">starts after ${duration(span.start)}${critical ? ", on the critical path" : ""}${phaseWords(node.phases)}</span>
        <${Bar} node=${node} view=${view} critical=${critical} />
      </div>
    </div>
  `;
}

/** The id of a row's element. Span ids come from outside and may come twice; a row's number in the tree does not. */
export const rowId = (number) => `row-${number}`;

function twisty(node, collapsed, onFold) {
  if (!node.children.length) return html`<span class="twisty" aria-hidden="true"></span>`;
  const fold = (event) => {
    event.stopPropagation();
    onFold(node);
  };
  return html`<span class="twisty" aria-hidden="true" title=${collapsed ? "Show what is below" : "Hide what is below"} onClick=${fold}>${collapsed ? "▸" : "▾"}</span>`;
}

function Bar({ node, view, critical }) {
  const { span, inBar } = node;
  const place = placed(span.start, span.end, view);
  if (!place) return html`<i class=${span.end < view[0] ? "beside before" : "beside after"} aria-hidden="true"></i>`;
  const shown = inBar.filter(lasted);
  return html`
    <i class=${`bar ${colourOf(span.service)} ${shown.length ? "with-phases" : ""}`} style=${styleOf(place)}></i>
    ${shown.map((phase) => {
      const part = placed(phase.start, phase.end, view);
      return part && html`<i class=${`phase ph-${phase.word} ${phase.error ? "broken" : ""}`} title=${`${phase.word} ${duration(phase.end - phase.start)}`} style=${styleOf(part)}></i>`;
    })}
    ${critical && joined(critical, view).map((part) => html`<i class="critical" style=${styleOf(part)}></i>`)}
    ${span.events.length > 0 && joined(span.events.map((event) => [event.time, event.time]), view).map((part) => html`<i class="event" title="event" style=${{ left: `${part.left}%` }}></i>`)}
  `;
}

function styleOf({ left, width }) {
  return { left: `${left}%`, width: `${width}%` };
}

function phaseWords(phases) {
  const words = phases.filter(lasted).map((phase) => `${phase.word} ${duration(phase.end - phase.start)}`);
  return words.length ? `, ${words.join(", ")}` : "";
}
