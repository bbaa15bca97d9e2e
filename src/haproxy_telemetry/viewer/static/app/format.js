// Numbers and times as a person reads them. Pure. Durations are in nanoseconds, times BigInt nanoseconds since the epoch.

const NARROW_SPACE = "\u202f";

/** A duration with its unit: 0, 12 µs, 1.3 ms, 130 ms, 2.41 s, 3 m 20 s. */
export function duration(ns) {
  if (!Number.isFinite(ns)) return "?";
  if (ns < 0) return "-" + duration(-ns);
  if (ns === 0) return "0";
  if (ns < 1e3) return unit(ns, "ns");
  if (ns < 999.5e3) return unit(three(ns / 1e3), "µs");
  if (ns < 999.5e6) return unit(three(ns / 1e6), "ms");
  if (ns < 60e9) return unit(three(ns / 1e9), "s");
  const seconds = Math.round(ns / 1e9);
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const first = parts.findIndex(([size]) => seconds >= size);
  const [big, small] = [parts[first], parts[first + 1]];
  const rest = Math.floor((seconds % big[0]) / small[0]);
  return unit(Math.floor(seconds / big[0]), big[1]) + (rest ? " " + unit(rest, small[1]) : "");
}

/** Three figures at most, no zeros at the end. */
function three(number) {
  return String(Number(number.toPrecision(3)));
}

function unit(number, name) {
  return `${number}${NARROW_SPACE}${name}`;
}

/** The time of day, with milliseconds. */
export function clockTime(ns) {
  const date = dateOf(ns);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Date and time of day, with milliseconds. */
export function dateTime(ns) {
  return `${day(ns)} ${clockTime(ns)}`;
}

/** The date: 2026-01-31. */
export function day(ns) {
  const date = dateOf(ns);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function dateOf(ns) {
  return new Date(Number(BigInt(ns) / 1000000n));
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** How long ago, from seconds since the epoch: 3 s ago, 5 m ago; "never" for null. */
export function ago(seconds, now) {
  if (seconds === null || seconds === undefined) return "never";
  const passed = Math.max(0, now - seconds);
  return passed < 1 ? "just now" : duration(Math.floor(passed) * 1e9) + " ago";
}

/** A number with its digits in groups: 12 345. */
export function count(number) {
  const digits = String(number);
  return digits.length < 5 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
}

/** "1 span", "2 spans". */
export function plural(number, one, many = one + "s") {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Bytes, in units of 1024. */
export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  while (number >= 1024 && index < units.length - 1) {
    number /= 1024;
    index += 1;
  }
  return unit(index ? three(number) : number, units[index]);
}

/** A part as a percentage of the whole, for CSS, with as many digits as a wide screen can show. */
export function percent(part, whole) {
  return `${whole > 0 ? Math.round((part / whole) * 1e6) / 1e4 : 0}%`;
}
