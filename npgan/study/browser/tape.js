// A tape of the record: its nodes, what each was made from, and what each number influences.

const orNaN = x => x ?? NaN;  // JSON has no nan

function makeTape(raw) {
  const tape = { ...raw, node: new Map(), size: 0 };
  const seen = new Map();
  for (const node of tape.nodes) {
    [node.rows, node.columns] = rowsAndColumns(node.shape, Boolean(node.op));
    for (const what of ["data", "grad"]) node[what] = node[what].map(orNaN);
    node.size = node.data.length;
    node.at = tape.size;
    tape.size += node.size;
    node.uses = [];
    node.parts = [];
    tape.node.set(node.id, node);
    const label = node.name || node.op || "seed";
    seen.set(label, [...(seen.get(label) ?? []), node]);
  }
  for (const [label, nodes] of seen)
    nodes.forEach((node, i) => { node.label = nodes.length > 1 ? `${label} ${i + 1}` : label; });
  for (const edge of tape.edges) {
    edge.terms = numbersOf(edge.terms, Float64Array);
    edge.source = tape.node.get(edge.from);
    edge.target = tape.node.get(edge.to);
    edge.source.uses.push(edge);
    edge.target.parts.push(edge);
  }
  for (const [id, list] of Object.entries(tape.differences)) tape.differences[id] = list.map(orNaN);
  for (const leaf of Object.values(tape.optimiser?.leaves ?? {}))
    for (const [what, list] of Object.entries(leaf)) leaf[what] = list.map(orNaN);
  tape.end = tape.node.get(tape.loss);
  tape.movers = Object.keys(tape.optimiser?.leaves ?? {}).map(id => tape.node.get(Number(id)));
  tape.movers.sort((a, b) => a.at - b.at);
  let at = 0;
  for (const node of tape.movers) { node.movesAt = at; at += node.size; }
  tape.moving = at;
  return tape;
}

function cellName(node, k) {
  return node.shape.length ? `${node.label}[${unravel(k, node.shape).join(", ")}]` : node.label;
}

function spokenName(node, k) {
  const row = Math.floor(k / node.columns) + 1, column = (k % node.columns) + 1;
  if (node.size === 1) return node.label;
  return node.rows === 1 ? `${node.label}, entry ${column}` : `${node.label}, row ${row}, column ${column}`;
}

const cellKey = (id, k) => `${id},${k}`;

function termsInto(node, k) {
  // All that arrives at a number: g_i J_ij from each entry i of each node that uses it.
  const found = [];
  for (const edge of node.uses) {
    const { target, terms } = edge;
    for (let i = 0; i < target.size; i++) {
      const value = terms[i * node.size + k];
      if (value !== 0) found.push({ edge, target, i, value });
    }
  }
  return found;
}

function influence(node, k) {
  // Two sets of cell keys: what this number changes on its way to the loss, and what it is made of.
  const down = new Set(), up = new Set();
  let todo = [[node, k]];
  while (todo.length) {
    const [n, j] = todo.pop();
    for (const { target, i } of termsInto(n, j)) {
      const key = cellKey(target.id, i);
      if (!down.has(key)) { down.add(key); todo.push([target, i]); }
    }
  }
  todo = [[node, k]];
  while (todo.length) {
    const [n, i] = todo.pop();
    for (const { source, terms } of n.parts)
      for (let j = 0; j < source.size; j++) {
        const key = cellKey(source.id, j);
        if (terms[i * source.size + j] !== 0 && !up.has(key)) { up.add(key); todo.push([source, j]); }
      }
  }
  return { down, up };
}

function changedRecord(tape, text, Type, also = {}) {
  // A whole step recorded again: for a node, its numbers, gradients and moves. `also` has the moves
  // of nodes that the right step does not move.
  const all = numbersOf(text, Type), n = tape.size;
  return {
    also,
    data: node => all.subarray(node.at, node.at + node.size),
    grad: node => all.subarray(n + node.at, n + node.at + node.size),
    move: node => also[node.id] ?? all.subarray(2 * n + node.movesAt, 2 * n + node.movesAt + node.size),
  };
}

function differs(a, b) {
  // Whether a number changed by more than float32 can round.
  return Math.abs(a - b) > 2e-6 * Math.max(Math.abs(a), Math.abs(b), 1e-4);
}

function numberOf(tape, change, what, node, k) {
  // value, gradient or move of one cell: { was, is }; undefined where there is none.
  let was, is;
  if (what === "move") {
    const leaf = tape.optimiser?.leaves[node.id];
    if (!leaf && !change?.also[node.id]) return undefined;
    was = leaf ? leaf.move[k] : 0;
    is = change ? change.move(node)[k] : was;
  } else {
    was = node[what][k];
    is = change ? change[what](node)[k] : was;
  }
  return differs(was, is) ? { was, is, changed: true } : { was, is: was, changed: false };
}

function changedCells(tape, change, what) {
  return tape.nodes.flatMap(node => node.data.map((_, k) => ({ node, k, found: numberOf(tape, change, what, node, k) })))
    .filter(({ found }) => found?.changed);
}

function distanceOf(tape, change, what, nodes) {
  // How far the changed numbers of these nodes are from the right ones, in units of the right ones'
  // length, and the cosine of the angle between both.
  let apart = 0, right = 0, wrong = 0, both = 0;
  for (const node of nodes)
    for (let k = 0; k < node.size; k++) {
      const { was, is } = numberOf(tape, change, what, node, k);
      apart += (is - was) ** 2; right += was * was; wrong += is * is; both += was * is;
    }
  return { share: apart === 0 ? 0 : Math.sqrt(apart / right), cosine: both / Math.sqrt(right * wrong) };
}

const percent = share => (share === Infinity ? "∞" : share < 0.01 ? "<1 %" : `${Math.round(100 * share).toLocaleString("en")} %`);
const isStudied = (node, change) => !node.needed && !change?.also[node.id];  // training does not compute its gradient
