// The critical path: at each moment of the trace, the span that had to end for the trace to end. Pure.
//
// From a root's end backwards: the child that ended last was waited for, so the path goes into it, and back to its
// parent at its start. What a span does beside the path (a child that ends after its parent, one that ran in parallel
// and was over earlier) is not on it. HAProxy's phases are no children here: they are their span's own time.
// HAProxy does one thing after another for a stream: a span of another service beside one of its own, and wholly within
// it in time, is what that one waited for ("TCP response" of the profile `detailed`), so the path goes through it.

import { SCOPE } from "./phases.js";

/** Return {sections, byService, length}: per span id the [start, end] pairs, per service the nanoseconds. */
export function criticalPath(roots) {
  const sections = new Map();
  const byService = new Map();
  const root = roots.reduce((longest, node) => (longer(node, longest) ? node : longest), null);
  if (!root) return { sections, byService, length: 0 };
  const add = (span, start, end) => {
    if (end <= start) return;
    if (!sections.has(span.id)) sections.set(span.id, []);
    sections.get(span.id).push([start, end]);
    byService.set(span.service, (byService.get(span.service) ?? 0) + end - start);
  };
  // A frame is a span on the path, and the moment up to which it is looked at.
  const stack = [frame(root, root.span.start, root.span.end)];
  while (stack.length) {
    const top = stack[stack.length - 1];
    const child = next(top);
    if (!child) {
      add(top.node.span, top.start, top.at);
      stack.pop();
      continue;
    }
    const end = Math.min(child.span.end, top.end);
    const start = Math.max(child.span.start, top.start);
    add(top.node.span, end, top.at);
    top.at = start;
    stack.push(frame(child, start, end, waitedFor(top.node, child)));
  }
  return { sections, byService, length: root.span.end - root.span.start };
}

function frame(node, start, end, guests = []) {
  const byEnd = [...node.children, ...guests].sort((a, b) => a.span.end - b.span.end);
  return { node, start, end, at: end, byEnd };
}

/** The siblings that a span of HAProxy waited for. */
function waitedFor(parent, { span }) {
  if (span.scope.name !== SCOPE) return [];
  return parent.children.filter(({ span: other }) => other.service !== span.service && other.start >= span.start && other.end <= span.end);
}

/** The child that ended last before the moment that the frame is at. */
function next(top) {
  while (top.byEnd.length) {
    const child = top.byEnd.pop();
    const end = Math.min(child.span.end, top.end);
    if (end <= top.at && end > top.start && child.span.start < top.at) return child;
  }
  return null;
}

function longer(node, than) {
  return than === null || node.span.end - node.span.start > than.span.end - than.span.start;
}
