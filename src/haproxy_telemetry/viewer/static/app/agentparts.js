// What the agent says of itself, from the chain of HAProxy to the store to the last faults; docs/status.md has every field.

import { tile } from "./badges.js";
import { ago, count, dateTime, duration, plural } from "./format.js";
import { html } from "./lib.js";

const LINKS = {
  haproxy: "HAProxy connects",
  frames: "Events come (SPOP)",
  messages: "Messages are understood",
  records: "Records come",
  sampling: "Traces are sampled",
  export: "Spans are sent",
  store: "The store takes them",
};
const STATES = { seen: ["✓", "good"], nothing: ["…", "warn"], problem: ["!", "bad"], off: ["–", ""] };

export function AgentParts({ agent }) {
  const now = agent.now ?? Date.now() / 1000;
  return html`
    ${agent.chain && html`<${Chain} agent=${agent} now=${now} />`}
    <section>
      <h2>The agent <span class="muted">${agent.version}</span></h2>
      <dl class="tiles">
        ${tile("Up for", agent.started ? duration((now - agent.started) * 1e9) : "?", (agent.listening?.spop ?? []).join(", "))}
        ${tile("Connections", count(agent.connections ?? 0), `of ${plural((agent.haproxies?.length ?? 0) + (agent.haproxies_not_listed ?? 0), "engine")}`)}
        ${agent.live_traces && tile("Live traces", count(agent.live_traces.count ?? 0), "have not ended")}
        ${agent.export && tile("Exported", plural(agent.export.exported ?? 0, "span"), `last ${ago(agent.export.last_success, now)}`)}
        ${agent.export && tile("Queue", plural(agent.export.queue ?? 0, "span"), agent.export.target)}
        ${agent.export && tile("Lost", plural(agent.export.lost ?? 0, "span"))}
      </dl>
      ${agent.export?.failing_s !== null && agent.export?.failing_s !== undefined && html`<p class="banner bad"><b>The export fails</b> since ${duration(agent.export.failing_s * 1e9)}: ${agent.export.last_error}</p>`}
    </section>
    ${agent.live_traces?.count > 0 && html`<${Ages} live=${agent.live_traces} />`}
    ${agent.haproxies?.length > 0 && html`<${HAProxies} agent=${agent} now=${now} />`}
    ${agent.counters && html`<${Counters} counters=${agent.counters} />`}
    ${agent.protocol_errors?.length > 0 && html`<${Faults} faults=${agent.protocol_errors} now=${now} />`}
  `;
}

function Chain({ agent, now }) {
  return html`
    <section>
      <h2>From HAProxy to the store</h2>
      ${agent.answer && html`<p class="answer">${sentence(agent.answer)}</p>`}
      <ol class="chain">
        ${agent.chain.map((link) => {
          const [sign, kind] = STATES[link.state] ?? ["?", ""];
          return html`
            <li class=${kind}>
              <span class="sign" aria-hidden="true">${sign}</span>
              <div>
                <p><b>${LINKS[link.link] ?? link.link}</b> <span class="state">${link.state}</span> <span class="muted">${link.count ? `${count(link.count)}, last ${ago(link.last, now)}` : ""}</span></p>
                ${link.says && html`<p class="says">${sentence(link.says)}</p>`}
              </div>
            </li>
          `;
        })}
      </ol>
    </section>
  `;
}

/** A sentence of the agent: what is between backticks is code. */
function sentence(text) {
  return text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));
}

function Ages({ live }) {
  const most = Math.max(1, ...live.ages.map((age) => age.traces));
  return html`
    <section>
      <h2>Live traces by age</h2>
      <ul class="ages">
        ${live.ages.map((age, index) => html`
          <li><span>${ageWords(live.ages, index)}</span><span class="meter" aria-hidden="true"><i style=${{ width: `${(age.traces / most) * 100}%` }}></i></span><b>${count(age.traces)}</b></li>
        `)}
      </ul>
    </section>
  `;
}

function ageWords(ages, index) {
  const bound = ages[index].up_to_s;
  return bound === null ? `over ${duration((ages[index - 1]?.up_to_s ?? 0) * 1e9)}` : `up to ${duration(bound * 1e9)}`;
}

function HAProxies({ agent, now }) {
  return html`
    <section>
      <h2>HAProxies</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of HAProxies">
        <table>
          <thead>
            <tr>
              <th scope="col">Engine</th><th scope="col">Peer</th><th scope="col">HAProxy</th><th scope="col">Capabilities</th>
              <th scope="col" class="number">Connections</th><th scope="col" class="number">Frames</th><th scope="col">Errors</th><th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            ${agent.haproxies.map((one) => html`
              <tr>
                <td><code>${one.engine_id || "(no id)"}</code></td>
                <td>${one.peer}</td>
                <td>${one.version}<br /><small class="muted">SPOP ${(one.spop_versions ?? []).join(", ")}, frames to ${count(one.max_frame_size ?? 0)} B</small></td>
                <td>${(one.capabilities ?? []).join(", ")}</td>
                <td class="number">${count(one.connections ?? 0)}<br /><small class="muted">${count(one.connections_total ?? 0)} in all</small></td>
                <td class="number">${count(one.frames ?? 0)}</td>
                <td>${errorWords(one.errors)}</td>
                <td>${ago(one.last, now)}</td>
              </tr>
            `)}
          </tbody>
        </table>
      </div>
      ${agent.haproxies_not_listed > 0 && html`<p class="muted">and ${count(agent.haproxies_not_listed)} more</p>`}
    </section>
  `;
}

function errorWords(errors) {
  const found = Object.entries(errors ?? {});
  if (!found.length) return html`<span class="muted">none</span>`;
  return found.map(([name, number]) => html`<span class="bad">${name.replaceAll("_", " ")} ${count(number)}</span> `);
}

function Counters({ counters }) {
  const drops = counters.filter((one) => one.drop);
  const others = counters.filter((one) => !one.drop);
  return html`
    <section>
      <h2>What was lost or turned away</h2>
      ${drops.length ? html`<${CounterTable} counters=${drops} label="Table of losses" />` : html`<p class="muted">Nothing.</p>`}
      ${others.length > 0 && html`<details><summary>All other counters (${others.length})</summary><${CounterTable} counters=${others} label="Table of counters" /></details>`}
    </section>
  `;
}

function CounterTable({ counters, label }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr><th scope="col">Counter</th><th scope="col">Reason</th><th scope="col" class="number">Number</th><th scope="col">What</th></tr></thead>
        <tbody>
          ${counters.map((one) => html`<tr><td><code>${one.name}</code></td><td>${one.reason}</td><td class="number">${count(one.count)}</td><td class="muted">${one.what}</td></tr>`)}
        </tbody>
      </table>
    </div>
  `;
}

function Faults({ faults, now }) {
  return html`
    <section>
      <h2>Last protocol errors</h2>
      <ol class="faults">
        ${faults.map((fault) => html`
          <li>
            <p><b class="bad">${fault.status.replaceAll("_", " ")}</b> ${fault.error}</p>
            <p class="muted">
              <span title=${dateTime(BigInt(Math.round(fault.time * 1000)) * 1000000n)}>${ago(fault.time, now)}</span>, ${fault.peer}${fault.engine_id ? `, engine ${fault.engine_id}` : ""}${fault.times > 1 ? `, ${plural(fault.times, "time")} in a row` : ""}
            </p>
            ${fault.frame && html`<details><summary>The frame, ${plural(fault.frame_size, "byte")}</summary><pre tabindex="0" aria-label="The frame in words">${fault.frame}</pre></details>`}
          </li>
        `)}
      </ol>
    </section>
  `;
}
