// Where the services of a graph stand: in layers, callers before those they call. Pure.

export const BOX = { width: 168, height: 52 };
const TIP = 10; // of an arrow
const GAP = { along: 96, across: 28 };

/** Return {nodes: [{...node, x, y}], edges: [{...edge, points}], width, height}; `down` puts layers below each other. */
export function layOut(nodes, edges, down) {
  const names = nodes.map((node) => node.service);
  const drawn = edges.filter((edge) => names.includes(edge.from) && names.includes(edge.to));
  const layers = ordered(layersOf(names, drawn), drawn);
  const most = Math.max(1, ...layers.map((layer) => layer.length));
  const [along, across] = down ? [BOX.height + GAP.along * 0.6, BOX.width + GAP.across] : [BOX.width + GAP.along, BOX.height + GAP.across];
  const at = new Map();
  layers.forEach((layer, number) => {
    const offset = ((most - layer.length) * across) / 2;
    layer.forEach((name, index) => {
      const place = [number * along, offset + index * across];
      at.set(name, down ? { x: place[1], y: place[0] } : { x: place[0], y: place[1] });
    });
  });
  const placed = nodes.map((node) => ({ ...node, ...at.get(node.service) }));
  return {
    nodes: placed,
    edges: drawn.map((edge) => ({ ...edge, ...curve(at.get(edge.from), at.get(edge.to), down) })),
    width: Math.max(BOX.width, ...placed.map((node) => node.x + BOX.width)),
    height: Math.max(BOX.height, ...placed.map((node) => node.y + BOX.height)),
  };
}

/** The longest way from a service that nobody calls; an edge that would close a circle is not counted. */
function layersOf(names, edges) {
  const depth = new Map(names.map((name) => [name, 0]));
  const forward = withoutCircles(names, edges);
  for (let round = 0; round < names.length; round += 1) {
    let changed = false;
    for (const { from, to } of forward) {
      if (depth.get(to) > depth.get(from)) continue;
      depth.set(to, depth.get(from) + 1);
      changed = true;
    }
    if (!changed) break;
  }
  const layers = [];
  for (const name of names) (layers[depth.get(name)] ??= []).push(name);
  return layers.filter(Boolean);
}

function withoutCircles(names, edges) {
  const callees = new Map(names.map((name) => [name, edges.filter((edge) => edge.from === name && edge.to !== name)]));
  const called = new Set(edges.filter((edge) => edge.from !== edge.to).map((edge) => edge.to));
  const state = new Map();
  const kept = [];
  const visit = (name) => {
    state.set(name, "open");
    for (const edge of callees.get(name)) {
      if (state.get(edge.to) === "open") continue;
      kept.push(edge);
      if (!state.has(edge.to)) visit(edge.to);
    }
    state.set(name, "done");
  };
  for (const name of [...names.filter((name) => !called.has(name)), ...names]) if (!state.has(name)) visit(name);
  return kept;
}

/** Put each service near its callers, so that fewer lines cross. */
function ordered(layers, edges) {
  const rank = new Map();
  return layers.map((layer) => {
    const middle = (name) => {
      const callers = edges.filter((edge) => edge.to === name && rank.has(edge.from)).map((edge) => rank.get(edge.from));
      return callers.length ? callers.reduce((sum, one) => sum + one, 0) / callers.length : 0;
    };
    const sorted = [...layer].sort((a, b) => middle(a) - middle(b) || (a < b ? -1 : 1));
    sorted.forEach((name, index) => rank.set(name, index));
    return sorted;
  });
}

/** A curve from one box to another, and where its words stand. */
function curve(from, to, down) {
  const [w, h] = [BOX.width, BOX.height];
  const [x1, y1] = down ? [from.x + w / 2, from.y + h] : [from.x + w, from.y + h / 2];
  const [x2, y2] = down ? [to.x + w / 2, to.y - TIP] : [to.x - TIP, to.y + h / 2];
  const bend = Math.max(24, (down ? y2 - y1 : x2 - x1) / 2);
  const [c1, c2] = down ? [`${x1} ${y1 + bend}`, `${x2} ${y2 - bend}`] : [`${x1 + bend} ${y1}`, `${x2 - bend} ${y2}`];
  return { path: `M${x1} ${y1} C${c1}, ${c2}, ${x2} ${y2}`, middle: { x: (x1 + x2) / 2, y: (y1 + y2) / 2 } };
}
