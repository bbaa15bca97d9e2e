// The keyboard. A page says which keys it takes; keys typed into a field are the field's.

import { useEffect, useRef } from "./lib.js";

/** Take keys while the component is there: {"j": function, "Shift+ArrowLeft": function}. A function that returns false leaves the key alone. */
export function useKeys(taken) {
  const current = useRef(taken);
  current.current = taken;
  useEffect(() => {
    const pressed = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]") || (isField(event.target) && event.key !== "Escape")) return;
      const name = event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
      const act = current.current[name];
      if (act && act(event) !== false) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Whether keys typed here are text or choose something. */
export function isField(element) {
  return element instanceof HTMLElement && element.matches("input:not([type=checkbox]), select, textarea");
}

/** Whether Enter already means something here. */
export function isPressable(element) {
  return element instanceof Element && element.closest("a, button, summary") !== null;
}
