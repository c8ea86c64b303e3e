// Numbers: from base64, to text; shapes and indices.

function bytesOf(text) {
  return Uint8Array.from(atob(text), c => c.charCodeAt(0));
}

function numbersOf(text, Type) {
  // Base64 of little-endian numbers -> an array of Type, also on a big-endian machine.
  const bytes = bytesOf(text), view = new DataView(bytes.buffer), size = Type.BYTES_PER_ELEMENT;
  const read = {
    Float64Array: "getFloat64", Float32Array: "getFloat32", Int16Array: "getInt16", Uint8Array: "getUint8",
  }[Type.name];
  const out = new Type(bytes.length / size);
  for (let i = 0; i < out.length; i++) out[i] = view[read](i * size, true);
  return out;
}

const minus = text => text.replace(/-/g, "−");

function short(x) {
  // At most seven characters: what a cell has room for.
  const size = Math.abs(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "∞" : "−∞";
  if (size < 1e-14) return "0";
  if (Number.isInteger(x) && size < 1e4) return minus(String(x));
  if (size < 5e-4 || size >= 1e4) return minus(x.toExponential(size < 1e-9 ? 0 : 1));
  return minus(x.toFixed(size < 0.0995 ? 4 : size < 9.995 ? 3 : size < 99.95 ? 2 : 1));
}

function long(x) {
  // Eight digits.
  const size = Math.abs(x);
  if (!Number.isFinite(x) || size < 1e-300) return short(x);
  return minus(size < 1e-4 || size >= 1e6 ? x.toExponential(7) : x.toPrecision(8));
}

function signed(x) {
  return x > 0 ? "+" + short(x) : short(x);
}

function plugged(x) {
  // In a formula; a negative number in parentheses.
  const text = short(x);
  return text.startsWith("−") ? `(${text})` : text;
}

function tiny(x) {
  // The size of an error.
  if (!Number.isFinite(x)) return "more than any number";
  return x === 0 ? "0" : minus(x.toExponential(0));
}

const product = list => list.reduce((a, b) => a * b, 1);

function unravel(k, shape) {
  const index = new Array(shape.length);
  for (let d = shape.length - 1; d >= 0; d--) { index[d] = k % shape[d]; k = Math.floor(k / shape[d]); }
  return index;
}

function ravel(index, shape) {
  return shape.reduce((k, n, d) => k * n + index[d], 0);
}

function broadcast(index, shape) {
  // The place in an array of `shape` that NumPy uses for the entry `index` of a larger array.
  return ravel(shape.map((n, d) => (n === 1 ? 0 : index[index.length - shape.length + d])), shape);
}

function rowsAndColumns(shape, computed) {
  // How an array is drawn: a given vector as a row, a computed one, with a number for each sample,
  // as a column; of more than two axes as one table above the other.
  if (shape.length === 0) return [1, 1];
  if (shape.length === 1 && computed) return [shape[0], 1];
  const columns = shape[shape.length - 1];
  return [product(shape.slice(0, -1)), columns];
}

const shapeText = shape => (shape.length ? shape.join("×") : "one number");
const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
