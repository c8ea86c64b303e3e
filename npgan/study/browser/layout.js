// Where the matrices of a tape are drawn.
//
// A node stands right of all it is made from. The rows of the matrices between z or the data and
// the loss are the samples of the batch, so they stand side by side. A weight stands above the
// result of its product: its columns are the result's columns.

const CELL = { height: 16, widest: 54, narrowest: 47, left: 4, right: 3, mark: 6 };
const CARD = { pad: 4, head: 30, flatHead: 20, between: 6, gap: 12 };

const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map();
function textWidth(text, bold) {
  const key = `${bold}${text}`;
  if (!widths.has(key)) {
    ruler.font = `${bold ? "600 12px" : "11px"} system-ui, sans-serif`;
    widths.set(key, ruler.measureText(text).width);
  }
  return widths.get(key);
}

const titleOf = node => node.label;
const subtitleOf = node =>
  [node.op && node.op !== node.label.replace(/ \d+$/, "") ? node.op : null, node.size > 1 || !node.op ? shapeText(node.shape) : null]
    .filter(Boolean).join(", ") || "one number";

const ZERO = "all gradients 0", STUDIED = "for study";  // what a card may say in the place of its subtitle

function subtitlesOf(tape, node) {
  // All that a card may say below its name, so that each has room.
  return [subtitleOf(node), node.grad.every(g => g === 0) && ZERO, !node.needed && STUDIED, tape.mistakes.length > 0 && "off by 999 %"].filter(Boolean);
}

function isAttached(node) {
  // A weight or bias that is drawn above the product that uses it.
  return !node.op && node.size > 0 && node.uses.some(use => use.arg > 0)
    && node.uses.every(use => use.target.op === "affine" || use.target.op === "gemm");
}

function columnsOf(tape) {
  // Lists of cards from left to right: { flow: nodes that stand in rows, above: weights }.
  const depth = new Map(), attached = tape.nodes.filter(isAttached);
  const lone = new Set(attached);
  for (const node of tape.nodes) {
    if (!node.op || lone.has(node)) continue;
    depth.set(node, 1 + Math.max(-1, ...node.parts.filter(e => !lone.has(e.source)).map(e => depth.get(e.source) ?? 0)));
  }
  for (const node of tape.nodes) {
    if (node.op || lone.has(node)) continue;
    depth.set(node, Math.max(0, Math.min(...node.uses.map(use => depth.get(use.target)), Infinity) - 1) || 0);
  }
  const columns = Array.from({ length: 1 + Math.max(0, ...depth.values()) }, () => ({ flow: [], above: [] }));
  for (const [node, d] of [...depth].sort(([a], [b]) => a.at - b.at)) if (Number.isFinite(d)) columns[d].flow.push(node);
  for (const node of attached) columns[depth.get(node.uses.find(use => use.arg > 0).target)].above.push(node);
  return columns.filter(column => column.flow.length + column.above.length);
}

function cardOf(tape, node, cell, flat) {
  const title = textWidth(titleOf(node), true), subtitle = Math.max(...subtitlesOf(tape, node).map(text => textWidth(text, false)));
  const head = flat && title + subtitle + 8 <= node.columns * cell ? CARD.flatHead : CARD.head;
  const words = head === CARD.flatHead ? title + subtitle + 8 : Math.max(title, subtitle);
  const width = Math.ceil(Math.max(node.columns * cell, words) + 2 * CARD.pad);
  return { node, width, head, height: head + node.rows * CELL.height + CARD.pad, cell };
}

function place(tape, width) {
  // { width, height, cards: Map of node -> { x, y, width, height, head, cell, band } }
  const columns = columnsOf(tape);
  const sized = cell => columns.map(({ flow, above }) => {
    const column = { flow: flow.map(n => cardOf(tape, n, cell, false)), above: above.map(n => cardOf(tape, n, cell, true)) };
    column.width = Math.max(...column.flow.map(c => c.width), ...column.above.map(c => c.width));
    return column;
  });
  const total = list => list.reduce((sum, c) => sum + c.width, 0) + CARD.gap * (list.length - 1);
  const folded = cell => {
    const bands = [[]];
    for (const column of sized(cell)) {
      if (bands.at(-1).length && total([...bands.at(-1), column]) > width) bands.push([]);
      bands.at(-1).push(column);
    }
    return bands;
  };
  // The widest cells with which the graph has the fewest bands.
  const fewest = folded(CELL.narrowest).length;
  let cell = CELL.widest;
  while (cell > CELL.narrowest && folded(cell).length > fewest) cell -= 1;
  const bands = folded(cell);
  const gap = bands.length > 1 ? CARD.gap
    : Math.min(44, CARD.gap + (width - total(bands[0])) / Math.max(1, columns.length - 1));
  const cards = new Map();
  let top = 0, widest = 0;
  for (const [band, list] of bands.entries()) {
    const heightAbove = Math.max(0, ...list.map(c => c.above.reduce((sum, card) => sum + card.height + CARD.between, 0)));
    let x = 0, bottom = top;
    for (const column of list) {
      placeColumn(column, x, top + heightAbove, cards, band);
      for (const card of [...column.flow, ...column.above]) bottom = Math.max(bottom, card.y + card.height);
      x += column.width + gap;
    }
    widest = Math.max(widest, x - gap);
    top = bottom + 22;
  }
  return { width: Math.min(Math.max(widest, 1), Math.max(width, widest)), height: top - 22, cards, bands: bands.length };
}

const middle = card => card.y + card.head + (card.node.rows * CELL.height) / 2;

function placeColumn(column, x, y0, cards, band) {
  // Each card of the flow stands as high as what it is made from, if there is room.
  const wanted = column.flow.map(card => {
    const sources = card.node.parts.map(e => cards.get(e.source)).filter(s => s && s.band === band && !s.attached);
    if (!sources.length) return null;
    const centre = sources.reduce((sum, s) => sum + middle(s), 0) / sources.length;
    return centre - card.head - (card.node.rows * CELL.height) / 2;
  });
  let y = y0;
  const block = column.flow.reduce((sum, card) => sum + card.height + CARD.between, -CARD.between);
  const overlap = wanted.some((w, i) => i && w !== null && wanted[i - 1] !== null && w < wanted[i - 1] + column.flow[i - 1].height);
  if (overlap) {
    const centre = wanted.reduce((sum, w, i) => sum + w + column.flow[i].height / 2, 0) / wanted.length;
    y = Math.max(y0, centre - block / 2);
  }
  column.flow.forEach((card, i) => {
    if (!overlap && wanted[i] !== null) y = Math.max(y, wanted[i]);
    Object.assign(card, { x, y: Math.round(y), band });
    y += card.height + CARD.between;
    cards.set(card.node, card);
  });
  y = column.flow.length ? column.flow[0].y : y0;
  for (const card of column.above.slice().reverse()) {
    y -= card.height + CARD.between;
    Object.assign(card, { x, y: Math.round(y), band, attached: true });
    cards.set(card.node, card);
  }
}

function cellPlace(card, k) {
  const { node, cell } = card;
  return {
    x: card.x + CARD.pad + (k % node.columns) * cell,
    y: card.y + card.head + Math.floor(k / node.columns) * CELL.height,
  };
}

function edgePath(from, to) {
  // A line from card to card; between bands there is none.
  if (from.band !== to.band) return null;
  if (from.attached) {
    if (Math.abs(from.x - to.x) < 1 && from.y < to.y) {
      const x = from.x - 6, y1 = from.y + from.height / 2, y2 = to.y + 12;
      return `M${from.x} ${y1}H${x + 4}Q${x} ${y1} ${x} ${y1 + 4}V${y2 - 4}Q${x} ${y2} ${x + 4} ${y2}H${to.x - 1}`;
    }
    const y1 = from.y + from.height / 2, x2 = to.x + to.width / 2;
    return `M${from.x + from.width} ${y1}H${x2 - 6}Q${x2} ${y1} ${x2} ${y1 + 6}V${to.y - 1}`;
  }
  const x1 = from.x + from.width, x2 = to.x - 1, y1 = middle(from), y2 = middle(to), bend = Math.max(8, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
