// The waterfall: a ruler and the rows that can be seen. However many spans there are, only those are in the document.

import { duration } from "./format.js";
import { useNarrow } from "./hooks.js";
import { html, useLayoutEffect, useRef, useState } from "./lib.js";
import { Row, rowId } from "./row.js";
import { placed, ticks } from "./view.js";

const ROW = 28;
const NARROW_ROW = 44; // a phone's: the bar below the words, and a finger to hit it
const BEYOND = 8; // rows above and below what can be seen

/** `rows` are the nodes to show, `numbers` a node's number in the tree, `selected` a node or null. */
export function Waterfall({ rows, numbers, view, selected, collapsed, critical, onSelect, onFold }) {
  const height = useNarrow() ? NARROW_ROW : ROW;
  const box = useRef(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const measure = () => setSeen((before) => {
    const { scrollTop: top, clientHeight } = box.current;
    return before.top === top && before.height === clientHeight ? before : { top, height: clientHeight };
  });
  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const at = selected ? rows.indexOf(selected) : -1;
  useLayoutEffect(() => {
    if (at >= 0) reveal(box.current, at, height);
  }, [at, height]);
  const first = Math.max(0, Math.floor(seen.top / height) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / height) + BEYOND);
  const inDocument = at >= first && at < last;
  return html`
    <div
      class="waterfall"
      role="treegrid"
      aria-label="Spans"
      aria-rowcount=${rows.length + 1}
      aria-activedescendant=${inDocument ? rowId(numbers.get(selected)) : undefined}
      tabindex="0"
      ref=${box}
      onScroll=${measure}
    >
      <div class="ruler" role="row" aria-rowindex="1">
        <div role="columnheader" class="cell name">Service and span</div>
        <div role="columnheader" class="cell long">Duration</div>
        <div role="columnheader" class="cell time"><span class="hidden">Time</span><${Ruler} view=${view} /></div>
      </div>
      <div class="rows" role="rowgroup" style=${{ height: `${rows.length * height}px` }}>
        ${rows.slice(first, last).map((node, offset) => html`
          <${Row}
            key=${numbers.get(node)} node=${node} row=${numbers.get(node)} index=${first + offset} height=${height} view=${view}
            selected=${node === selected} collapsed=${collapsed.has(node.span.id)} critical=${critical?.get(node.span.id)}
            onSelect=${onSelect} onFold=${onFold}
          />
        `)}
      </div>
    </div>
  `;
}

function Ruler({ view }) {
  const most = useNarrow() ? 3 : 6;
  return ticks(view, most).map((at) => {
    const { left } = placed(at, at, view);
    return html`<span class=${left > 94 ? "tick last" : "tick"} style=${{ left: `${left}%` }}>${duration(at)}</span>`;
  });
}

/** Scroll no further than needed for a row to be seen below the ruler. */
function reveal(box, index, height) {
  const ruler = box.querySelector(".ruler").offsetHeight;
  const top = index * height;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + height > box.scrollTop + box.clientHeight - ruler) box.scrollTop = top + height - box.clientHeight + ruler;
}
