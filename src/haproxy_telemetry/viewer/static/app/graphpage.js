// Who calls whom: a drawing, and the same as a table.

import { graph } from "./api.js";
import { Service } from "./badges.js";
import { colourOf } from "./colours.js";
import { count, plural } from "./format.js";
import { useLoad, useNarrow, useTitle } from "./hooks.js";
import { useKeys } from "./keys.js";
import { BOX, layOut } from "./layout.js";
import { html, useMemo } from "./lib.js";
import { navigate } from "./router.js";
import { RANGES, searchUrl } from "./searchparams.js";

export function GraphPage({ query }) {
  const lookback = query.get("lookback") ?? "";
  const { data, error, loading } = useLoad((signal) => graph(lookback, signal), [lookback]);
  useTitle("Service graph");
  useKeys({ "/": () => navigate("/search"), Escape: () => history.back() });
  return html`
    <div class="page">
      <div class="page-head">
        <h1>Service graph</h1>
        <label class="field inline">
          <span>Time</span>
          <select name="lookback" onChange=${(event) => navigate(event.target.value ? `/graph?lookback=${event.target.value}` : "/graph")}>
            ${RANGES.map(([value, word]) => html`<option value=${value} selected=${value === lookback}>${word}</option>`)}
          </select>
        </label>
      </div>
      ${error && html`<p class="problem" role="alert">${error.message}</p>`}
      ${loading && !data && html`<p role="status">Loading the graph</p>`}
      ${data && (data.nodes.length ? html`<${Graph} ...${data} />` : html`<p class="empty">No service has sent a span in this time.</p>`)}
    </div>
  `;
}

function Graph({ nodes, edges }) {
  const down = useNarrow();
  const plan = useMemo(() => layOut(nodes, edges, down), [nodes, edges, down]);
  const most = Math.max(1, ...edges.map((edge) => edge.calls));
  const label = `${plural(nodes.length, "service")}, ${plural(edges.length, "call")} between them; the table below has each.`;
  return html`
    <div class="graph" tabindex="0" role="region" aria-label="Drawing of the graph">
      <svg role="group" aria-label=${label} viewBox=${`-8 -8 ${plan.width + 16} ${plan.height + 16}`} width=${plan.width + 16} height=${plan.height + 16}>
        <defs>
          ${["arrow", "arrow failed"].map((name) => html`
            <marker id=${name.replace(" ", "-")} viewBox="0 0 8 8" refX="1" refY="4" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 L8 4 L0 8 z" class=${name} /></marker>
          `)}
        </defs>
        ${plan.edges.map((edge) => html`<path d=${edge.path} class=${edge.errors ? "edge failed" : "edge"} stroke-width=${1 + (2.5 * Math.log1p(edge.calls)) / Math.log1p(most)} marker-end=${edge.errors ? "url(#arrow-failed)" : "url(#arrow)"} />`)}
        ${plan.edges.map((edge) => html`<text ...${beside(edge.middle, down)}>${count(edge.calls)}${edge.errors ? html`<tspan class="bad" dx="6">! ${count(edge.errors)}</tspan>` : ""}</text>`)}
        ${plan.nodes.map((node) => html`<${Node} node=${node} />`)}
      </svg>
    </div>
    <h2>Calls</h2>
    ${edges.length ? html`<${Calls} edges=${edges} />` : html`<p class="muted">No service has called another.</p>`}
  `;
}

/** A call's number stands above its line, or right of a line that goes down. */
function beside({ x, y }, down) {
  return down ? { x: x + 9, y: y + 4, class: "calls down" } : { x, y: y - 7, class: "calls" };
}

function Node({ node }) {
  const name = node.service.length > 18 ? `${node.service.slice(0, 17)}…` : node.service;
  return html`
    <a href=${searchUrl({ service: node.service })} aria-label=${`${node.service}, ${plural(node.spans, "span")}, ${plural(node.errors, "error")}: show its traces`}>
      <title>${node.service}</title>
      <rect x=${node.x} y=${node.y} width=${BOX.width} height=${BOX.height} rx="8" class="box" />
      <rect x=${node.x} y=${node.y + 8} width="4" height=${BOX.height - 16} class=${`side ${colourOf(node.service)}`} />
      <text x=${node.x + 16} y=${node.y + 22} class="title">${name}</text>
      <text x=${node.x + 16} y=${node.y + 39} class="small">${plural(node.spans, "span")}${node.errors ? html`<tspan class="bad" dx="8">${plural(node.errors, "error")}</tspan>` : ""}</text>
    </a>
  `;
}

function Calls({ edges }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Table of calls">
      <table>
        <thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col" class="number">Calls</th><th scope="col" class="number">In error</th></tr></thead>
        <tbody>
          ${edges.map((edge) => html`
            <tr>
              <td><${Service} name=${edge.from} /></td>
              <td><${Service} name=${edge.to} /></td>
              <td class="number">${count(edge.calls)}</td>
              <td class=${edge.errors ? "number bad" : "number"}>${count(edge.errors)}</td>
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}
