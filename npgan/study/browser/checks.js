// What the page checks itself, from the record alone, when it is opened.

function checkTape(tape) {
  // A list of { what, worst, limit, cells, at }: the largest error of each kind, and where it is.
  const kinds = {
    terms: { words: "the terms add up to the gradient", limit: 1e-12 },
    differences: { words: "the rule's gradient and the finite difference agree", limit: 1e-8 },
    moves: { words: "moved by = after − before", limit: 1e-15 },
    formulas: { words: "the formula, computed in this browser, gives the recorded number", limit: 1e-12 },
    slopes: { words: "g times the slope written beside it is the term", limit: 1e-12 },
  };
  for (const kind of Object.values(kinds)) Object.assign(kind, { worst: 0, cells: 0, at: null });
  const say = (kind, node, k, error) => {
    kind.cells += 1;
    const size = Number.isNaN(error) ? Infinity : error;  // no comparison finds nan
    if (size > kind.worst) Object.assign(kind, { worst: size, at: { tape: tape.key, id: node.id, k } });
  };
  const relative = (a, b, scale) => (a === b ? 0 : Math.abs(a - b) / Math.max(scale, 1e-300));
  for (const node of tape.nodes) {
    const leaf = tape.optimiser?.leaves[node.id], differences = tape.differences[node.id];
    for (let k = 0; k < node.size; k++) {
      if (node.uses.length) {
        const terms = termsInto(node, k);
        const sum = terms.reduce((a, t) => a + t.value, 0), size = terms.reduce((a, t) => a + Math.abs(t.value), 0);
        say(kinds.terms, node, k, relative(sum, node.grad[k], Math.max(size, Math.abs(node.grad[k]))));
        for (const { edge, target, i, value } of terms) {
          const slope = slopeOf(tape, edge, i, k);
          if (slope) say(kinds.slopes, node, k, relative(slope.value * target.grad[i], value, Math.abs(value)));
        }
      }
      if (differences) say(kinds.differences, node, k, Math.abs(differences[k] - node.grad[k]) / (tape.scale ?? 1));
      if (leaf) {
        const after = node.data[k] + leaf.move[k];
        say(kinds.moves, node, k, relative(after, leaf.after[k], Math.max(1, Math.abs(after))));
      }
      const formula = formulaOf(tape, node, k);
      if (formula) say(kinds.formulas, node, k, relative(formula.value, node.data[k], Math.max(1, Math.abs(node.data[k]))));
    }
  }
  return Object.values(kinds).filter(kind => kind.cells);
}

function checkAll(tapes) {
  // Every kind over all tapes, and what failed first.
  const merged = new Map();
  for (const kind of tapes.flatMap(checkTape)) {
    const known = merged.get(kind.words);
    if (!known) { merged.set(kind.words, { ...kind }); continue; }
    known.cells += kind.cells;
    if (kind.worst > known.worst) Object.assign(known, { worst: kind.worst, at: kind.at });
  }
  const kinds = [...merged.values()];
  return { kinds, failed: kinds.filter(kind => kind.worst > kind.limit) };
}
