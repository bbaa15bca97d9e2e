// How the agent and the viewer are, and why nothing is to be seen, if so. Tolerant of what an agent of another version does not say.

import { status } from "./api.js";
import { AgentParts } from "./agentparts.js";
import { tile } from "./badges.js";
import { ago, bytes, count, duration, plural } from "./format.js";
import { useLoad, useTitle } from "./hooks.js";
import { useKeys } from "./keys.js";
import { html, useEffect, useState } from "./lib.js";
import { navigate } from "./router.js";

const AGAIN_MS = 3000;

export function StatusPage() {
  const [turn, setTurn] = useState(0);
  const { data, error } = useLoad(status, [turn]);
  useTitle("Status");
  useKeys({ "/": () => navigate("/search"), Escape: () => history.back() });
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setTurn((number) => number + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return html`
    <div class="page status">
      <h1>Status</h1>
      ${error && html`<p class="problem" role="alert">${error.message}</p>`}
      ${!data && !error && html`<p role="status">Asking</p>`}
      ${data?.agentError && html`<p class="banner warn"><b>The agent cannot be asked:</b> ${data.agentError}</p>`}
      ${data?.agent && html`<${AgentParts} agent=${data.agent} />`}
      ${data?.viewer && html`<${Store} viewer=${data.viewer} />`}
    </div>
  `;
}

function Store({ viewer }) {
  const { limits = {}, received = {} } = viewer;
  const rejected = Object.entries(received.rejected ?? {});
  const last = received.lastUnixNano ? Number(BigInt(received.lastUnixNano) / 1000000n) / 1000 : null;
  return html`
    <section>
      <h2>This viewer <span class="muted">${viewer.version}</span></h2>
      <dl class="tiles">
        ${tile("Traces", count(viewer.traces ?? 0), limits.max_traces && `of ${count(limits.max_traces)} at most`)}
        ${tile("Spans", count(viewer.spans ?? 0))}
        ${tile("Size", bytes(viewer.bytes ?? 0), limits.max_bytes && `of ${bytes(limits.max_bytes)} at most`)}
        ${tile("Kept for", limits.max_age_s ? duration(limits.max_age_s * 1e9) : "?", "then the oldest go, whole")}
        ${tile("Received", plural(received.spans ?? 0, "span"), `in ${plural(received.requests ?? 0, "request")}`)}
        ${tile("Last request", ago(last, Date.now() / 1000))}
      </dl>
      ${rejected.length > 0 && html`
        <h3>Not taken</h3>
        <ul class="plain">${rejected.map(([reason, number]) => html`<li><b>${count(number)}</b> <code>${reason}</code></li>`)}</ul>
      `}
    </section>
  `;
}
