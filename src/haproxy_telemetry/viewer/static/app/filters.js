// The form of the search. It takes effect at once where something is chosen, and by Enter or Search where it is typed.

import { operations, services } from "./api.js";
import { dateTime } from "./format.js";
import { html, useEffect, useState } from "./lib.js";
import { useLoad, useNarrow } from "./hooks.js";
import { navigate } from "./router.js";
import { LIMITS, RANGES, searchUrl, STATES } from "./searchparams.js";

/** `values` are those of the address; `fresh` changes when services may have become more; `problem` is said below. */
export function Filters({ values, fresh, problem }) {
  const [typed, setTyped] = useState(values);
  const narrow = useNarrow();
  useEffect(() => setTyped(values), [searchUrl(values)]);
  const names = useLoad((signal) => services(signal), [fresh]).data ?? [];
  const names2 = useLoad((signal) => (values.service ? operations(values.service, signal) : Promise.resolve([])), [values.service, fresh]).data ?? [];
  const search = (changes) => navigate(searchUrl({ ...typed, ...changes }));
  const text = (name, label, more) => html`
    <label class=${`field ${name}`}>
      <span>${label}</span>
      <input type="text" name=${name} value=${typed[name]} autocomplete="off" spellcheck=${false} onInput=${(event) => setTyped({ ...typed, [name]: event.target.value })} ...${more} />
    </label>
  `;
  const choice = (name, label, options, changes = () => ({})) => html`
    <label class=${`field ${name}`}>
      <span>${label}</span>
      <select name=${name} value=${values[name]} onChange=${(event) => search({ [name]: event.target.value, ...changes() })}>
        ${withCurrent(options, values[name]).map(([value, word]) => html`<option value=${value} selected=${value === values[name]}>${word}</option>`)}
      </select>
    </label>
  `;
  const problemHere = problem && html`<p class="problem" role="alert">${problem}</p>`;
  const form = html`
    <form class="filters" role="search" aria-label="Traces" onSubmit=${(event) => { event.preventDefault(); search({}); }}>
      ${choice("service", "Service", [["", "All services"], ...names.map((name) => [name, name])], () => ({ operation: "" }))}
      ${choice("operation", "Operation", [["", values.service ? "All operations" : "Choose a service first"], ...names2.map((name) => [name, name])])}
      ${text("tags", "Tags", { placeholder: "http.response.status_code=500" })}
      ${text("min", "Longer than", { placeholder: "100ms" })} ${text("max", "Shorter than", { placeholder: "1.5s" })}
      ${choice("status", "Status", STATES)}
      ${choice("range", "Time", RANGES, () => ({ start: "", end: "" }))}
      ${choice("limit", "At most", LIMITS.map((number) => [number === LIMITS[0] ? "" : number, number]))}
      <div class="field actions">
        <button type="submit" class="primary">Search</button>
        <a class="button" href="/search">Clear</a>
      </div>
    </form>
    ${values.start && html`<p class="window">Only ${dateTime(values.start + "000")} to ${dateTime(values.end + "000")} <a href=${searchUrl({ ...values, start: "", end: "" })}>Show all times</a></p>`}
    ${problemHere}
  `;
  if (!narrow) return html`<section class="filter-box" aria-label="Search">${form}</section>`;
  const chosen = chosenWords(values);
  return html`
    <details class="filter-box" open=${problem ? true : undefined}>
      <summary>Search <span class="muted">${chosen || "all traces"}</span></summary>
      ${form}
    </details>
  `;
}

/** The choice that the address made is among the options, also before they are loaded. */
function withCurrent(options, value) {
  return options.some(([one]) => one === value) ? options : [...options, [value, value]];
}

function chosenWords(values) {
  const bounds = [values.min && `> ${values.min}`, values.max && `< ${values.max}`];
  return [values.service, values.operation, values.tags, ...bounds, values.status, values.range].filter(Boolean).join(", ");
}
