// A trace's spans as a tree, and the tree as rows. Pure, and without recursion: a trace may be 10,000 spans deep.

import { inOrder, phaseEvents, splitPhases } from "./phases.js";

/**
 * Build {roots, byId}. A node is {span, parent, children, phases, inBar, depth, orphan, inside, errorsInside}: `orphan` says
 * that its parent is told and not here; `inside` counts the nodes below it. With `phasesAsRows` phases are nodes too, and
 * only those that are events are drawn as parts of a bar (`inBar`).
 */
export function buildTree(trace, phasesAsRows = false) {
  const { phases, others } = splitPhases(trace.spans);
  const drawn = phasesAsRows ? trace.spans : others;
  const nodes = drawn.map((span) => ({
    span,
    parent: null,
    children: [],
    ...phasesOf(span, phases.get(span.id) ?? [], phasesAsRows),
    depth: 0,
    orphan: false,
    inside: 0,
    errorsInside: 0,
  }));
  const byId = new Map();
  for (const node of nodes) if (!byId.has(node.span.id)) byId.set(node.span.id, node);
  const roots = connect(nodes, byId);
  // A phase without a row of its own is found at the span that it is a part of.
  for (const [parentId, parts] of phases)
    for (const part of parts) if (!byId.has(part.span.id)) byId.set(part.span.id, byId.get(parentId));
  return { roots, byId, nodes };
}

function phasesOf(span, parts, asRows) {
  const events = phaseEvents(span);
  const phases = inOrder([...parts, ...events]);
  return { phases, inBar: asRows ? events : phases };
}

function connect(nodes, byId) {
  const roots = [];
  for (const node of nodes) {
    const parent = node.span.parentId ? byId.get(node.span.parentId) : undefined;
    if (parent && parent !== node) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      node.orphan = node.span.parentId !== "";
      roots.push(node);
    }
  }
  const seen = new Set();
  for (const root of roots) measure(root, seen);
  // Parents in a circle: cut it at its first span, so that every span has a row.
  for (const node of nodes) {
    if (seen.has(node)) continue;
    node.parent.children.splice(node.parent.children.indexOf(node), 1);
    node.parent = null;
    node.orphan = true;
    roots.push(node);
    measure(node, seen);
  }
  return roots;
}

/** Set the depths below a root, and what is inside each node. */
function measure(root, seen) {
  const order = [];
  const stack = [root];
  while (stack.length) {
    const node = stack.pop();
    seen.add(node);
    order.push(node);
    for (const child of node.children) {
      child.depth = node.depth + 1;
      stack.push(child);
    }
  }
  for (const node of order.reverse()) {
    for (const child of node.children) {
      node.inside += child.inside + 1;
      node.errorsInside += child.errorsInside + (child.span.error ? 1 : 0);
    }
  }
}

/** The nodes to show, from top to bottom; what is below a collapsed one (a set of span ids) is left out. */
export function visibleRows(roots, collapsed) {
  const rows = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const node = stack.pop();
    rows.push(node);
    if (collapsed.has(node.span.id)) continue;
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push(node.children[i]);
  }
  return rows;
}

/** The ids of all nodes that have children. */
export function foldable(nodes) {
  return nodes.filter((node) => node.children.length).map((node) => node.span.id);
}
