// Addresses without loading the page again: /, /search, /trace/{id}, /graph, /status; the query holds what is chosen.

import { useEffect, useState } from "./lib.js";

const CHANGED = "address-changed";

/** Where the page is: {path, query}. */
export function address() {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Go to an address of this page; with `replace` the one before is not come back to. */
export function navigate(url, replace = false) {
  history[replace ? "replaceState" : "pushState"]({ inside: true }, "", url);
  dispatchEvent(new Event(CHANGED));
}

/** Whether going back stays within this page. */
export function cameFromHere() {
  return history.state?.inside === true;
}

/** The address, again at each change. */
export function useAddress() {
  const [now, setNow] = useState(address);
  useEffect(() => {
    const changed = () => setNow(address());
    addEventListener(CHANGED, changed);
    addEventListener("popstate", changed);
    return () => {
      removeEventListener(CHANGED, changed);
      removeEventListener("popstate", changed);
    };
  }, []);
  return now;
}

/** Let links to pages of this page be followed without loading: one listener for all of them. */
export function followLinks() {
  addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.hasAttribute("download") || link.target) return;
    const url = new URL(link.href.baseVal ?? link.href, location.href);
    if (url.origin !== location.origin || url.pathname.startsWith("/api/") || url.pathname.startsWith("/static/")) return;
    event.preventDefault();
    navigate(url.pathname + url.search);
  });
}
