// The whole trace in little: a line for each span. A drag chooses the time that is shown, a double click all of it.

import { colourOf } from "./colours.js";
import { useSize } from "./hooks.js";
import { html, useEffect, useRef, useState } from "./lib.js";
import { canvasColour, onTheme } from "./theme.js";
import { bounded, isWhole, placed, whole } from "./view.js";

const HEIGHT = 56;
const LEAST_DRAG = 4; // CSS pixels; less is a click that slipped

export function Minimap({ rows, length, view, onView }) {
  const box = useRef(null);
  const canvas = useRef(null);
  const { width } = useSize(box);
  const [drag, setDrag] = useState(null);
  const [colours, setColours] = useState(0);
  useEffect(() => onTheme(() => setColours((number) => number + 1)), []);
  useEffect(() => {
    if (width) paint(canvas.current, box.current, width, rows, length);
  }, [rows, width, length, colours]);

  const at = (event) => {
    const area = box.current.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - area.left) / area.width, 0), 1) * Math.max(length, 1);
  };
  const down = (event) => {
    if (event.button) return;
    box.current.setPointerCapture(event.pointerId);
    setDrag([at(event), at(event)]);
  };
  const move = (event) => drag && setDrag([drag[0], at(event)]);
  const up = () => {
    if (!drag) return;
    const [from, to] = [Math.min(...drag), Math.max(...drag)];
    setDrag(null);
    if (((to - from) / Math.max(length, 1)) * width >= LEAST_DRAG) onView(bounded([from, to], length));
  };
  const shown = drag ? [Math.min(...drag), Math.max(...drag)] : view;
  const window = isWhole(shown, length) && !drag ? null : placed(shown[0], shown[1], whole(length));
  return html`
    <div
      class="minimap"
      role="img"
      aria-label="The whole trace. Drag over it to zoom, or use the keys + and −."
      ref=${box}
      onPointerDown=${down}
      onPointerMove=${move}
      onPointerUp=${up}
      onPointerCancel=${() => setDrag(null)}
      onDblClick=${() => onView(whole(length))}
    >
      <canvas ref=${canvas}></canvas>
      ${window && html`
        <i class="shade" style=${{ left: 0, width: `${window.left}%` }}></i>
        <i class="shade" style=${{ left: `${window.left + window.width}%`, right: 0 }}></i>
        <i class="chosen" style=${{ left: `${window.left}%`, width: `${window.width}%` }}></i>
      `}
    </div>
  `;
}

function paint(canvas, box, width, rows, length) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const context = canvas.getContext("2d");
  const bad = canvasColour(box, "--bad");
  const colours = new Map();
  const colour = (service) => {
    const name = colourOf(service);
    if (!colours.has(name)) colours.set(name, canvasColour(box, `--${name}`));
    return colours.get(name);
  };
  const scale = canvas.width / Math.max(length, 1);
  const step = (canvas.height - 6 * ratio) / Math.max(rows.length, 1);
  const thick = Math.min(Math.max(step * 0.7, ratio), 3 * ratio);
  rows.forEach(({ span }, index) => {
    context.fillStyle = span.error ? bad : colour(span.service);
    context.fillRect(span.start * scale, 3 * ratio + index * step, Math.max((span.end - span.start) * scale, ratio), thick);
  });
}
