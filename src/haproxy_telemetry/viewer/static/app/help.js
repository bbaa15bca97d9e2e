// The keys, in a dialog.

import { html, useEffect, useRef } from "./lib.js";

const KEYS = [
  ["Everywhere", [
    ["/", "go to the search"],
    ["t", "theme: system, light, dark"],
    ["Esc", "close, or back"],
    ["?", "this help"],
  ]],
  ["List of traces", [
    ["j k ↓ ↑", "next, previous trace"],
    ["Enter", "open it"],
    ["l", "live: pause, resume"],
  ]],
  ["A trace", [
    ["j k ↓ ↑", "next, previous span"],
    ["→ ←", "open, close what is below; to the first child, to the parent"],
    ["Enter", "the span's details"],
    ["Home End", "first, last span"],
    ["e", "next error"],
    ["c", "critical path"],
    ["p", "HAProxy's phases as spans of their own"],
    ["x", "collapse all, expand all"],
    ["+ − 0", "zoom in, out, to the whole trace"],
    ["Shift ← →", "move the time that is shown"],
  ]],
];

/** The dialog; the browser closes it by Esc. */
export function Help({ onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`
    <dialog class="help" ref=${dialog} aria-labelledby="help-title" onClose=${onClose}>
      <div class="help-head">
        <h2 id="help-title">Keyboard</h2>
        <button type="button" class="icon" aria-label="Close" onClick=${() => dialog.current.close()}><span aria-hidden="true">×</span></button>
      </div>
      <div class="help-lists">
        ${KEYS.map(
          ([title, keys]) => html`
            <section>
              <h3>${title}</h3>
              <dl>
                ${keys.map(
                  ([names, what]) => html`<div><dt>${names.split(" ").map((name) => html`<kbd>${name}</kbd> `)}</dt><dd>${what}</dd></div>`,
                )}
              </dl>
            </section>
          `,
        )}
      </div>
    </dialog>
  `;
}
