// Light, dark, or the system's choice; kept in this browser. early.js sets it before the first paint.

const ORDER = ["auto", "light", "dark"];
export const THEME_CHANGED = "theme-changed";

/** The theme that was chosen: auto, light or dark. */
export function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** Choose the next one; returns it. */
export function nextTheme() {
  const chosen = ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("theme", chosen);
  } catch {
    // A browser that keeps nothing: the choice holds until the page is left.
  }
  dispatchEvent(new Event(THEME_CHANGED));
  return chosen;
}

/** Call a function at each change of colours, the system's included; returns a function that ends it. */
export function onTheme(changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  addEventListener(THEME_CHANGED, changed);
  dark.addEventListener("change", changed);
  return () => {
    removeEventListener(THEME_CHANGED, changed);
    dark.removeEventListener("change", changed);
  };
}

/** A colour as canvases need it; the properties of the stylesheet may be functions. */
export function canvasColour(element, property) {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
