// Small marks that pages share: a service with its colour, a status, errors, what is incomplete.

import { colourOf } from "./colours.js";
import { plural } from "./format.js";
import { html } from "./lib.js";

/** A service's name behind its colour. */
export function Service({ name, children }) {
  return html`<span class=${`who-is ${colourOf(name)}`}><i class="dot" aria-hidden="true"></i>${name}${children}</span>`;
}

/** The status of an HTTP answer. */
export function HttpStatus({ code }) {
  if (code === null || code === undefined) return null;
  const kind = code >= 500 ? "bad" : code >= 400 ? "warn" : "good";
  return html`<span class=${`pill ${kind}`} title="HTTP status">${code}</span>`;
}

/** How many spans are in error. */
export function Errors({ number }) {
  return number ? html`<span class="mark bad"><span aria-hidden="true">! </span>${plural(number, "error")}</span>` : null;
}

/** That no end was told. */
export function Incomplete() {
  return html`<span class="mark warn" title="No end was told: the end is a guess">incomplete</span>`;
}

/** A value with its name above it, for a `dl`. */
export function tile(name, value, more) {
  return html`<div><dt>${name}</dt><dd>${value}${more ? html`<small>${more}</small>` : ""}</dd></div>`;
}
