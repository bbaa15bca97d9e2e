// The vendored libraries, by the names that the page uses. vendor/VENDOR.md says why two of them are plain scripts.
//
// `html` makes text nodes of all text and sets attributes one by one: what comes from outside is never read as HTML.

import htm from "../vendor/htm.module.js";

export const { h, render } = globalThis.preact;
export const { useState, useEffect, useLayoutEffect, useMemo, useRef } = globalThis.preactHooks;
export const html = htm.bind(h);
