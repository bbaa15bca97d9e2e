// The page: its head, the page for the address, help. Started by index.html.

import { services } from "./api.js";
import { meetServices } from "./colours.js";
import { GraphPage } from "./graphpage.js";
import { Help } from "./help.js";
import { useKeys } from "./keys.js";
import { html, render, useEffect, useRef, useState } from "./lib.js";
import { followLinks, useAddress } from "./router.js";
import { SearchPage } from "./searchpage.js";
import { StatusPage } from "./statuspage.js";
import { nextTheme, theme } from "./theme.js";
import { TracePage } from "./tracepage.js";

const THEME_WORDS = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const THEME_SIGNS = { auto: "◐", light: "○", dark: "●" };

function App() {
  const { path, query } = useAddress();
  const [help, setHelp] = useState(false);
  const [chosen, setChosen] = useState(theme);
  const main = useRef(null);
  const first = useRef(true);
  const changeTheme = () => setChosen(nextTheme());
  useKeys({ "?": () => setHelp(true), t: changeTheme });
  useEffect(() => {
    // A reader of screens, and the keyboard, go on where the new page begins.
    if (!first.current) main.current.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href="/" aria-label="haproxy-telemetry, search">
        <img src="/static/icon.svg" alt="" width="20" height="20" /> <span>haproxy-telemetry</span>
      </a>
      <nav aria-label="Pages">
        ${link("/search", "Traces", path === "/" || path === "/search" || path.startsWith("/trace/"))}
        ${link("/graph", "Graph", path === "/graph")} ${link("/status", "Status", path === "/status")}
      </nav>
      <div class="tools">
        <button type="button" class="icon" aria-label=${THEME_WORDS[chosen]} title=${`${THEME_WORDS[chosen]} (t)`} onClick=${changeTheme}>
          <span aria-hidden="true">${THEME_SIGNS[chosen]}</span>
        </button>
        <button type="button" class="icon" aria-label="Keyboard help" title="Keyboard (?)" onClick=${() => setHelp(true)}>
          <span aria-hidden="true">?</span>
        </button>
      </div>
    </header>
    <main id="main" tabindex="-1" ref=${main}>${pageOf(path, query)}</main>
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
  `;
}

function link(href, text, current) {
  return html`<a href=${href} aria-current=${current ? "page" : undefined}>${text}</a>`;
}

function pageOf(path, query) {
  const trace = /^\/trace\/([0-9a-fA-F]{1,32})\/?$/.exec(path);
  if (trace) return html`<${TracePage} key=${trace[1]} id=${trace[1].toLowerCase()} span=${query.get("span") ?? ""} />`;
  if (path === "/" || path === "/search") return html`<${SearchPage} query=${query} />`;
  if (path === "/graph") return html`<${GraphPage} query=${query} />`;
  if (path === "/status") return html`<${StatusPage} />`;
  return html`<div class="page"><h1>Nothing is here</h1><p>There is no such page. <a href="/search">Search for traces</a>.</p></div>`;
}

async function start() {
  followLinks();
  // Colours in the order of the names, so that they are the same at each visit. Without an answer the pages say why.
  await services().then(meetServices, () => null);
  render(html`<${App} />`, document.getElementById("app"));
}

start();
