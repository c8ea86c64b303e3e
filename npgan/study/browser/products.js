// Matrix products with their names and shapes: of a node, and of the rule that goes back through it.

const ROUNDED = "The numbers are shown rounded, and computed with all their digits.";
const isProduct = node => node.op === "gemm" || node.op === "affine";
const flipped = factor => ({ ...factor, flip: !factor.flip });
const shapeIn = ({ shape, flip }) => (flip ? [...shape].reverse() : shape).join("×");
const nameIn = ({ name, flip }) => `${name}${flip ? "ᵀ" : ""}`;

function times(a, b, to, plus = "") {
  // "a · bᵀ, with the shapes (4×4) · (4×1) = (4×1)" of two factors { name, shape, flip }.
  return `${nameIn(a)} · ${nameIn(b)}${plus}, with the shapes (${shapeIn(a)}) · (${shapeIn(b)}) = (${to.join("×")})`;
}

function factorsOf(tape, node) {
  // The two factors of a product as they stand in it: y = a b, with a flip where one is transposed.
  const list = argumentsOf(tape, node), { ta = false, tb = false } = optionsOf(node.options);
  return [ta, tb].map((flip, i) => ({ name: list[i].name || "numbers", shape: list[i].shape, flip }));
}

function productWords(tape, node) {
  // How a product is computed; null of another primitive.
  if (!isProduct(node)) return null;
  const [a, b] = factorsOf(tape, node), bias = node.op === "affine" ? argumentsOf(tape, node)[2].name : "";
  return `${node.label} = ${times(a, b, node.shape, bias && ` + ${bias}`)}`;
}

function ruleWords(tape, edge) {
  // The product that the rule of a product computes for one argument: of y = a b they are g bᵀ and
  // aᵀ g; where the argument stands transposed in y, so does the result.
  const { target, source, arg } = edge, L = tape.kind === "penalty" ? "R" : "L";
  if (!isProduct(target)) return null;
  const g = { name: "g", shape: target.shape, flip: false }, [a, b] = factorsOf(tape, target);
  const head = `d${L}/d(${source.label}) = `, tail = `; g = d${L}/d(${target.label})`;
  if (arg === 2) return `${head}the rows of g added up, with the shape (${source.shape.join("×")})${tail}`;
  const pair = arg === 0 ? [g, flipped(b)] : [flipped(a), g];
  const [first, second] = (arg === 0 ? a : b).flip ? [flipped(pair[1]), flipped(pair[0])] : pair;
  return `${head}${times(first, second, source.shape)}${tail}`;
}

const hasFlips = text => /\bt[ab]=True/.test(text);
const FLIPS = "In the code ta=True transposes the first factor, and tb=True the second.";
