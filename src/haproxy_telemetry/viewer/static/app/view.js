// Which part of the trace's time is shown: [from, to] in nanoseconds of the trace. Pure.

const LEAST = 100; // nanoseconds; nothing is told more exactly

/** The whole trace. */
export const whole = (length) => [0, Math.max(length, 1)];

/** Whether all is shown. */
export const isWhole = ([from, to], length) => from <= 0 && to >= Math.max(length, 1);

/** A part, within the trace, never too short. */
export function bounded([from, to], length) {
  const most = Math.max(length, 1);
  const size = Math.min(Math.max(to - from, Math.min(LEAST, most)), most);
  const start = Math.min(Math.max(from, 0), most - size);
  return [start, start + size];
}

/** Show so many times as much, around the middle. */
export function zoomed([from, to], factor, length) {
  const half = ((to - from) / 2) * factor;
  const middle = (from + to) / 2;
  return bounded([middle - half, middle + half], length);
}

/** Move by a part of what is shown. */
export function moved([from, to], part, length) {
  const step = (to - from) * part;
  return bounded([from + step, to + step], length);
}

/** Where a stretch of time is: {left, width} in per cent of the view, cut to it; null outside. */
export function placed(start, end, [from, to]) {
  if (end < from || start > to) return null;
  const scale = 100 / (to - from);
  const left = Math.max(0, (start - from) * scale);
  return { left, width: Math.min(100, (end - from) * scale) - left };
}

/** Stretches as placed, those that touch at this scale joined: no more of them than can be told apart. */
export function joined(stretches, view) {
  const out = [];
  for (const [start, end] of [...stretches].sort((a, b) => a[0] - b[0])) {
    const place = placed(start, end, view);
    const last = out[out.length - 1];
    if (!place) continue;
    if (last && place.left <= last.left + last.width + 0.1) last.width = Math.max(last.width, place.left + place.width - last.left);
    else out.push(place);
  }
  return out;
}

/** Round times for the ruler: at most so many, in [time] nanoseconds of the trace. */
export function ticks([from, to], most) {
  const rough = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}
