// The formula of one number, with its numbers plugged in, and the slope dy_i/dx_j that a rule uses.
// Each is { text, value }; the page compares value with what npgan recorded.

function optionsOf(text) {
  // "slope=0.2, axis=1, ta=True" -> { slope: 0.2, axis: 1, ta: true }
  const named = { True: true, False: false, None: null };
  const options = {};
  for (const [, name, value] of (text ?? "").matchAll(/(\w+)=((?:\([^)]*\)|[^,])+)/g))
    options[name] = value in named ? named[value] : Number.isNaN(Number(value)) ? value : Number(value);
  return options;
}

function argumentsOf(tape, node) {
  return node.args.map(a => {
    if (typeof a === "number") {
      const source = tape.node.get(a);
      return { node: source, shape: source.shape, data: source.data, name: source.label };
    }
    if (typeof a === "object" && a) return { shape: a.shape, data: a.value, name: "" };
    return { shape: [], data: [Number(a)], name: "" };
  });
}

const at = (argument, k, shape) => argument.data[broadcast(unravel(k, shape), argument.shape)];
const sigma = x => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const ramp = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

// ---- entry by entry: [how it is written, how it is computed, the slope by each argument] ----
// A slope gets (arguments of this entry, y, options) and gives [text, value].

const ONE = () => ["1", 1];
const gate = (y, o) => (y > 0 ? ["1, as y > 0", 1] : [`${o.slope ?? 0.2}, as y ≤ 0`, o.slope ?? 0.2]);
const entrywise = {
  add: [(a, b) => `${a} + ${b}`, (a, b) => a + b, [ONE, ONE]],
  subtract: [(a, b) => `${a} − ${b}`, (a, b) => a - b, [ONE, () => ["−1", -1]]],
  multiply: [(a, b) => `${a} · ${b}`, (a, b) => a * b, [([, b]) => ["the other factor", b], ([a]) => ["the other factor", a]]],
  divide: [(a, b) => `${a} / ${b}`, (a, b) => a / b, [([, b]) => ["1 / the divisor", 1 / b], ([, b], y) => ["−y / the divisor", -y / b]]],
  negative: [a => `−${a}`, a => -a, [() => ["−1", -1]]],
  power: [(a, p) => `${a} to the power ${p}`, (a, p) => a ** p, [([a, p]) => ["p · x to the power p − 1", p * a ** (p - 1)]]],
  exp: [a => `e to the power ${a}`, Math.exp, [(_, y) => ["y", y]]],
  log: [a => `log ${a}`, Math.log, [([a]) => ["1 / x", 1 / a]]],
  tanh: [a => `tanh ${a}`, Math.tanh, [(_, y) => ["1 − y²", 1 - y * y]]],
  sigmoid: [a => `σ(${a})`, sigma, [(_, y) => ["y (1 − y)", y * (1 - y)]]],
  softplus: [a => `log(1 + e^${a})`, ramp, [([a]) => ["σ(x)", sigma(a)]]],
  leaky_relu: [
    (a, o) => o, (a, o) => (a > 0 ? a : (o.slope ?? 0.2) * a), [(_, y, o) => gate(y, o)],
    (a, o, x) => (x > 0 ? `${a}, kept as it is > 0` : `${o.slope ?? 0.2} · ${a}, as it is ≤ 0`),
  ],
  leaky_gate: [
    null, (g, y, o) => (y > 0 ? g : (o.slope ?? 0.2) * g), [([, y], _, o) => gate(y, o), () => ["0", 0]],
    (g, y, o, values) => (values[1] > 0 ? `${g}, kept as y > 0` : `${o.slope ?? 0.2} · ${g}, as y ≤ 0`),
  ],
  tanh_gate: [
    (g, y) => `${g} · (1 − ${y}²)`, (g, y) => g * (1 - y * y),
    [([, y]) => ["1 − y²", 1 - y * y], ([g, y]) => ["−2 g y", -2 * g * y]],
  ],
  sigmoid_gate: [
    (g, y) => `${g} · ${y} · (1 − ${y})`, (g, y) => g * y * (1 - y),
    [([, y]) => ["y (1 − y)", y * (1 - y)], ([g, y]) => ["g (1 − 2y)", g * (1 - 2 * y)]],
  ],
};

function entry(node, list, k) {
  return list.map(a => at(a, k, node.shape));
}

// ---- copies and sums: the numbers whose slope is 1 ----

const linear = new Set(["reshape", "transpose", "broadcast_to", "sum_to", "sum", "get", "put", "concatenate", "column_sum"]);

function summands(node, k) {
  return node.parts.flatMap(({ source, terms }) =>
    source.data.filter((_, j) => terms[k * source.size + j] !== 0));
}

// ---- matrix products ----

function pairs(node, list, k, options) {
  // The factors whose products add up to entry k of x W + b, or of a b, a bᵀ, aᵀ b.
  const [i, j] = unravel(k, node.shape), [a, b] = list;
  const { ta, tb } = options, inner = ta ? a.shape[0] : a.shape[1];
  return Array.from({ length: inner }, (_, q) => [
    a.data[ta ? ravel([q, i], a.shape) : ravel([i, q], a.shape)],
    b.data[tb ? ravel([j, q], b.shape) : ravel([q, j], b.shape)],
  ]);
}

function otherFactor(node, list, options, argument, i, j) {
  // The slope of entry i of a matrix product by entry j of one factor: an entry of the other one.
  const [row, column] = unravel(i, node.shape), { ta, tb } = options;
  if (argument === 2) return ["1", 1];
  const own = unravel(j, list[argument].shape), other = list[1 - argument];
  const inner = argument === 0 ? own[ta ? 0 : 1] : own[tb ? 1 : 0];
  const index = argument === 0 ? (tb ? [column, inner] : [inner, column]) : ta ? [inner, row] : [row, inner];
  const name = other.node ? cellName(other.node, ravel(index, other.shape)) : "the other factor";
  return [name, other.data[ravel(index, other.shape)]];
}

// ---- losses ----

function lossTerms(z, t) {
  // bce_with_logits: the mean of softplus(z) - t z.
  return z.data.map((x, i) => ramp(x) - at(t, i, z.shape) * x);
}

function joined(parts, between) {
  return parts.length > 8 ? [...parts.slice(0, 7), `… (${parts.length} in all)`].join(between) : parts.join(between);
}

function formulaOf(tape, node, k) {
  if (!node.op) return null;
  const list = argumentsOf(tape, node), options = optionsOf(node.options), op = node.op;
  if (entrywise[op]) {
    const [write, compute, , special] = entrywise[op], values = entry(node, list, k);
    const texts = values.map(plugged);
    const text = op === "leaky_relu" ? special(texts[0], options, values[0])
      : special ? special(...texts, options, values) : write(...texts);
    return { text, value: compute(...values, options) };
  }
  if (linear.has(op)) {
    if (node.grad[k] === 0) return null;  // no term says what it is made of
    const found = summands(node, k);
    const text = found.length === 1 ? "the same number" : found.length ? joined(found.map(plugged), " + ") : "0, filled in";
    return { text, value: found.reduce((a, b) => a + b, 0) };
  }
  if (op === "affine" || op === "gemm") {
    const found = pairs(node, list, k, options);
    const parts = found.map(([a, b]) => `${plugged(a)} · ${plugged(b)}`);
    let value = found.reduce((sum, [a, b]) => sum + a * b, 0);
    if (op === "affine") {
      const bias = list[2].data[k % node.columns];
      parts.push(plugged(bias));
      value += bias;
    }
    return { text: joined(parts, " + "), value };
  }
  if (op === "bce_with_logits") {
    const terms = lossTerms(list[0], list[1]), t = list[1].data;
    const what = t.every(x => x === 1) ? "softplus(−z)" : t.every(x => x === 0) ? "softplus(z)" : "softplus(z) − t z";
    const text = `(${joined(terms.map(short), " + ")}) / ${terms.length}: the mean of ${what}`;
    return { text, value: terms.reduce((a, b) => a + b, 0) / terms.length };
  }
  return null;
}

function slopeOf(tape, edge, i, j) {
  const node = edge.target, list = argumentsOf(tape, node), options = optionsOf(node.options), op = node.op;
  let found = null;
  if (entrywise[op]) {
    const slope = entrywise[op][2][edge.arg];
    if (slope) found = slope(entry(node, list, i), node.data[i], options);
  } else if (linear.has(op)) {
    found = ["1", 1];
  } else if (op === "affine" || op === "gemm") {
    found = otherFactor(node, list, options, edge.arg, i, j);
  } else if (op === "bce_with_logits" && edge.arg === 0) {
    const z = list[0].data[j], t = at(list[1], j, list[0].shape), n = list[0].data.length;
    const what = t === 1 ? "(σ(z) − 1)" : t === 0 ? "σ(z)" : "(σ(z) − t)";
    found = [`${what} / ${n}`, ((1 - t) * sigma(z) - t * sigma(-z)) / n];
  }
  return found && { text: found[0], value: found[1] };
}
