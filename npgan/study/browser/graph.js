// The graph of a tape as SVG: built once for a width, then only changed, so that focus stays.

function buildGraph(tape, width, act) {
  // act: { choose(node, k), point(node, k, element), leave() }
  const plan = place(tape, width - 10), graph = { tape, plan, cells: new Map(), cards: new Map(), edges: [] };
  const left = 8 + Math.max(0, Math.floor((width - 10 - plan.width) / 2));
  const wide = Math.max(width, plan.width + 10);
  const svg = draw("svg", {
    class: "graph", width: wide, height: plan.height + 4, viewBox: `${-left} -2 ${wide} ${plan.height + 4}`,
    role: "group", "aria-label": `${tape.title}: the whole computation. Arrow keys go from number to number.`,
  });
  graph.svg = svg;
  svg.append(draw("defs", null,
    draw("marker", { id: `tip-${tape.index}`, viewBox: "0 0 6 6", refX: 5, refY: 3, markerWidth: 6, markerHeight: 6, orient: "auto-start-reverse" },
      draw("path", { d: "M0 0L6 3L0 6z", class: "tip" }))));
  const lines = draw("g", { class: "edges", "aria-hidden": "true" });
  svg.append(lines);
  for (const edge of tape.edges) {
    const d = edgePath(plan.cards.get(edge.source), plan.cards.get(edge.target));
    if (!d) continue;
    const path = draw("path", { d, class: "edge", "marker-end": `url(#tip-${tape.index})` });
    lines.append(path);
    graph.edges.push({ edge, path });
  }
  graph.threads = draw("g", { "aria-hidden": "true" });
  svg.append(graph.threads, ...tape.nodes.map(node => buildCard(graph, node, act)));
  svg.addEventListener("keydown", event => moveFocus(graph, event));
  setHome(graph, cellKey(tape.nodes[0].id, 0));
  return graph;
}

function kindOf(tape, node) {
  // What the stripe of a card says: by part in a penalty, by network elsewhere.
  if (tape.kind === "penalty")
    return { forward: "forward", "first walk": "walk", penalty: "penalty", loss: "penalty" }[node.part] ?? (node.group === "loss" ? "walk" : "forward");
  return { G: "net-g", D: "net-d", loss: "loss" }[node.group] ?? "data";
}

function buildCard(graph, node, act) {
  const card = graph.plan.cards.get(node), { x, y, width, height } = card;
  const flat = card.head === CARD.flatHead;
  const group = draw("g", { class: `card ${kindOf(graph.tape, node)}`, role: "group", "aria-label": `${node.label}, ${subtitleOf(node)}` },
    draw("rect", { class: "paper", x, y, width, height, rx: 4 }),
    draw("path", { class: "stripe", d: `M${x + 2} ${y + 1.5}H${x + width - 2}` }),
    draw("text", { class: "title", x: x + CARD.pad, y: y + 13 }, titleOf(node)),
    draw("text", { class: "subtitle", x: flat ? x + width - CARD.pad : x + CARD.pad, y: flat ? y + 14 : y + 25, "text-anchor": flat ? "end" : "start" }, subtitleOf(node)));
  graph.cards.set(node, group);
  for (let k = 0; k < node.size; k++) {
    const place = cellPlace(card, k), w = card.cell - 1, h = CELL.height - 1, key = cellKey(node.id, k);
    const rect = draw("rect", { class: "ground", width: w, height: h });
    const number = draw("text", { class: "number", x: w - CELL.right, y: 11.5, "text-anchor": "end" });
    const mark = draw("path", { class: "mark" });
    const frame = draw("rect", { class: "frame", x: 0.5, y: 0.5, width: w - 1, height: h - 1 });
    const cell = draw("g", { class: "cell", role: "button", tabindex: -1, "data-cell": key, transform: `translate(${place.x} ${place.y})` }, rect, number, frame, mark);
    cell.addEventListener("click", () => { setHome(graph, key); cell.focus({ preventScroll: true }); act.choose(node, k); });
    cell.addEventListener("pointerenter", () => act.point(node, k, cell));
    cell.addEventListener("pointerleave", act.leave);
    cell.addEventListener("focus", () => { setHome(graph, key); act.point(node, k, cell); });
    cell.addEventListener("blur", act.leave);
    cell.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act.choose(node, k); }
    });
    group.append(cell);
    graph.cells.set(key, { node, k, cell, rect, number, mark, frame, x: place.x + w / 2, y: place.y + h / 2, w, h });
  }
  return group;
}

// ---- the keyboard: one cell is reached by Tab, the others by arrow keys ----

function setHome(graph, key) {
  if (graph.home) graph.cells.get(graph.home).cell.setAttribute("tabindex", -1);
  graph.home = key;
  graph.cells.get(key).cell.setAttribute("tabindex", 0);
}

function moveFocus(graph, event) {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const keys = [...graph.cells.keys()];
  let next = event.key === "Home" ? keys[0] : event.key === "End" ? keys.at(-1) : undefined;
  if (direction) next = nearest(graph, direction);
  if (next === undefined) return;
  event.preventDefault();
  setHome(graph, next);
  graph.cells.get(next).cell.focus();
}

function nearest(graph, [dx, dy]) {
  // The nearest cell in a direction; one that lies aside counts as farther away.
  const here = graph.cells.get(graph.home);
  let best, least = Infinity;
  for (const [key, cell] of graph.cells) {
    const ahead = (cell.x - here.x) * dx + (cell.y - here.y) * dy;
    const aside = Math.abs((cell.x - here.x) * dy) + Math.abs((cell.y - here.y) * dx);
    if (ahead < 1 || aside > 2.5 * ahead + 8) continue;
    if (ahead + 3 * aside < least) { least = ahead + 3 * aside; best = key; }
  }
  return best;
}

// ---- what is shown ----

function scaleOf(node, what, tape, change) {
  const list = what === "move" ? tape.optimiser?.leaves[node.id]?.move ?? change?.also[node.id] : node[what];
  return Math.max(1e-300, ...(list ?? [0]).map(Math.abs));
}

function subtitleNow(tape, node, view, known) {
  // What a card says below its name: in the view of the gradients, what is to be known about them.
  if (view.what !== "grad" || !known) return { text: subtitleOf(node) };
  const gradients = node.data.map((_, k) => numberOf(tape, view.change, "grad", node, k).is);
  if (gradients.every(g => g === 0)) return { text: ZERO, mark: "zero" };
  const { share } = view.isMistake ? distanceOf(tape, view.change, "grad", [node]) : { share: 0 };
  if (share > 0) return { text: `off by ${percent(share)}`, mark: "off" };
  return isStudied(node, view.change) ? { text: STUDIED, mark: "studied" } : { text: subtitleOf(node) };
}

function writeNumber({ number, w }, text) {
  // A long number is written a little narrower, so that there is room before it: numbers of two
  // cells do not touch, and the corner mark does not cover a minus sign.
  const room = w - CELL.left - CELL.right;
  number.textContent = text;
  if (textWidth(text, false) > room) for (const [name, value] of [["textLength", room], ["lengthAdjust", "spacingAndGlyphs"]]) number.setAttribute(name, value);
  else for (const name of ["textLength", "lengthAdjust"]) number.removeAttribute(name);
}

const cornerPath = ({ h }, isMore) => (isMore ? `M0 0H${CELL.mark}L0 ${CELL.mark}z` : `M0 ${h}H${CELL.mark}L0 ${h - CELL.mark}z`);

function showGraph(graph, view) {
  // view: { what: "data"|"grad"|"move", chosen, change, isMistake, known(node) -> what of it is shown yet, current: node }
  const { tape } = graph, { what, chosen, change } = view;
  const { down, up } = chosen ? influence(chosen.node, chosen.k) : { down: new Set(), up: new Set() };
  graph.svg.classList.toggle("backwards", what !== "data");
  for (const node of tape.nodes) {
    const scale = scaleOf(node, what, tape, change), known = view.known(node), card = graph.cards.get(node);
    const { text, mark } = subtitleNow(tape, node, view, known);
    for (const [name, on] of [["current", view.current === node], ["unknown", !known], ...["zero", "off", "studied"].map(m => [m, m === mark])]) card.classList.toggle(name, on);
    card.querySelector(".subtitle").textContent = text;
    card.setAttribute("aria-label", `${node.label}, ${text}`);
    for (let k = 0; k < node.size; k++) {
      const key = cellKey(node.id, k), cell = graph.cells.get(key), found = known ? numberOf(tape, change, what, node, k) : undefined;
      const value = found?.is, isChosen = chosen?.node === node && chosen.k === k;
      writeNumber(cell, value === undefined ? "" : short(value));
      const share = value === undefined ? 0 : Math.min(1, Math.abs(value) / scale);
      cell.rect.setAttribute("class", `ground ${value > 0 ? "positive" : "negative"}`);
      cell.rect.style.setProperty("--share", share.toFixed(3));
      const classes = ["cell", isChosen && "chosen", down.has(key) && "down", up.has(key) && "up", found?.changed && "changed"];
      cell.cell.setAttribute("class", classes.filter(Boolean).join(" "));
      cell.cell.setAttribute("aria-pressed", isChosen);
      cell.cell.setAttribute("aria-label", cellWords(node, k, found, what, change, { down: down.has(key), up: up.has(key) }));
      cell.mark.setAttribute("d", found?.changed ? cornerPath(cell, found.is > found.was) : "");
    }
  }
  for (const { edge, path } of graph.edges) {
    const on = chosen && [chosen.node.id, ...[...down, ...up].map(key => Number(key.split(",")[0]))];
    path.classList.toggle("on", Boolean(on?.includes(edge.from) && on.includes(edge.to)));
    path.setAttribute(what === "data" ? "marker-end" : "marker-start", `url(#tip-${tape.index})`);
    path.removeAttribute(what === "data" ? "marker-start" : "marker-end");
  }
  showThreads(graph, chosen);
}

function cellWords(node, k, found, what, change, framed) {
  const name = spokenName(node, k), kind = { data: "value", grad: "gradient", move: "move" }[what];
  const now = found === undefined ? "nothing yet" : `${kind} ${short(found.is)}`;
  const was = found?.changed ? `, was ${short(found.was)}` : "";
  return `${name}: ${now}${was}${framed.down ? ", influenced by the chosen number" : framed.up ? ", influences the chosen number" : ""}`;
}

function showThreads(graph, chosen) {
  // Thin lines from the chosen number to each number that uses it, and from each it is made
  // of; they pass behind the matrices.
  graph.threads.replaceChildren();
  if (!chosen) return;
  const here = graph.cells.get(cellKey(chosen.node.id, chosen.k));
  const line = (a, b, kind) => {
    if (graph.plan.cards.get(a.node).band !== graph.plan.cards.get(b.node).band) return;
    if (Math.abs(a.x - b.x) < 1.5 * (a.w + b.w)) return;  // one above the other
    const side = a.x < b.x ? 1 : -1;
    const x1 = a.x + (side * a.w) / 2, x2 = b.x - (side * b.w) / 2, bend = (x2 - x1) / 2;
    graph.threads.append(draw("path", { class: `thread ${kind}`, d: `M${x1} ${a.y}C${x1 + bend} ${a.y} ${x2 - bend} ${b.y} ${x2} ${b.y}` }));
  };
  for (const { target, i } of termsInto(chosen.node, chosen.k)) line(here, graph.cells.get(cellKey(target.id, i)), "down");
  for (const { source, terms } of chosen.node.parts)
    for (let j = 0; j < source.size; j++)
      if (terms[chosen.k * source.size + j] !== 0) line(graph.cells.get(cellKey(source.id, j)), here, "up");
}
