// The page: its tabs, what is chosen, and what is drawn when something changes.

const R = JSON.parse(byId("record").textContent);
const tapes = R.tapes.map((raw, index) => ({ ...makeTape(raw), index }));
const checked = checkAll(tapes);
const tabs = tabsOf(tapes, R.game);
const state = { tab: tabs[0], what: "data", chosen: null, change: null, touring: false, kept: null };
const graphs = [];
let game = null;

function tabsOf(list, hasGame) {
  // One tab for each tape; penalties share one, so that they stand side by side.
  const found = [], penalties = list.filter(t => t.kind === "penalty");
  for (const tape of list) {
    if (tape.kind !== "penalty" || penalties.length === 1) found.push({ title: tape.title, tapes: [tape] });
    else if (tape === penalties[0]) found.push({ title: "R1: twice backwards", tapes: penalties });
  }
  if (hasGame) found.push({ title: "The game in 2-D", tapes: [], game: true });
  return found;
}

function shared(texts) {
  // The sentences with which all texts begin, and what follows in each.
  const all = texts.map(text => text.split(/(?<=[.!?])\s+/));
  let n = 0;
  while (n < all[0].length && all.every(list => list[n] === all[0][n])) n += 1;
  return { words: all[0].slice(0, n).join(" "), rests: all.map(list => list.slice(n).join(" ")) };
}

function firstChoice(list) {
  // The weight with the largest gradient: of an update, if there is one.
  const tape = list.find(t => t.movers.length) ?? list.at(-1);
  const nodes = tape.movers.length ? tape.movers : tape.nodes.filter(n => !n.op && n.group === "D");
  let best = { tape, node: tape.nodes[0], k: 0 };
  for (const node of nodes.length ? nodes : tape.nodes.filter(n => !n.op))
    node.grad.forEach((g, k) => { if (best.node === tape.nodes[0] || Math.abs(g) > Math.abs(best.node.grad[best.k])) best = { tape, node, k }; });
  return best;
}

// A penalty is about what goes back: there the gradients are shown first.
const startOf = tab => (tab.tapes[0]?.kind === "penalty" ? "grad" : "data");

const bar = makeBar({ go: at => walkTo(at) });

function choose(tape, node, k) {
  state.chosen = { tape, node, k };
  show();
  const now = what => short(numberOf(tape, openChange(tape, state.change).record, what, node, k).is);
  speak(`${spokenName(node, k)}: value ${now("data")}, gradient ${now("grad")}.`);
}

function speak(text) {
  byId("spoken").textContent = text;
}

function walkTo(at) {
  const item = bar.items[at];
  if (item) {
    state.what = item.what;
    if (item.tape && !state.tab.tapes.includes(item.tape)) {
      openTab(tabs.find(tab => tab.tapes.includes(item.tape)), true);
    }
    if (item.cell) state.chosen = { tape: item.tape, ...item.cell };
    if (state.touring && state.change) { state.kept = state.change; state.change = null; }
  } else if (at < 0) state.what = startOf(state.tab);
  show();
  if (item && matchMedia("(max-width: 700px)").matches) follow(item);
}

function follow(item) {
  // On a small screen what the bar speaks of is scrolled into view.
  const graph = graphs[0], { chosen } = state;
  const element = item.cell ? graph.cells.get(cellKey(chosen.node.id, chosen.k)).cell : item.node && graph.cards.get(graph.tape.node.get(item.node.id));
  element?.scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
}

function tour(on) {
  const from = state.tab;
  setTouring(on);
  if (on) bar.load(tourOf(R.story, tapes), 0);
  else bar.load(stepsOf(state.tab.tapes[0]), -1);
  walkTo(bar.at);
  if (state.tab !== from) byId("notice").textContent = `The tour goes through “${state.tab.title}”, so this tab is open now.`;
}

function setTouring(on) {
  // A change is off during the tour, and comes back after it.
  state.touring = on;
  byId("tour").setAttribute("aria-pressed", on);
  if (on) return;
  state.change ??= state.kept;
  state.kept = null;
}

function openTab(tab, keepBar) {
  state.tab = tab;
  byId("notice").textContent = "";
  game?.stop();
  for (const [i, t] of tabs.entries()) {
    const element = byId(`tab-${i}`);
    element.setAttribute("aria-selected", t === tab);
    element.setAttribute("tabindex", t === tab ? 0 : -1);
  }
  byId("view").setAttribute("aria-labelledby", `tab-${tabs.indexOf(tab)}`);
  byId("step-view").hidden = Boolean(tab.game);
  byId("game-view").hidden = !tab.game;
  if (tab.game) byId("jump").hidden = true;
  if (tab.game) {
    bar.stop();
    byId("about").textContent = "";
    game ??= showGame(R.game, byId("game-view"));
    game.open();
    return;
  }
  if (!keepBar) {
    setTouring(false);
    bar.load(stepsOf(tab.tapes[0]), -1);
    state.what = startOf(tab);
  }
  if (!state.chosen || !tab.tapes.includes(state.chosen.tape)) state.chosen = firstChoice(tab.tapes);
  build();
  show();
}

function build() {
  // The graphs of this tab for the width of the window; the focus stays on its number.
  const focused = document.activeElement?.dataset?.cell, which = graphs.findIndex(g => g.svg.contains(document.activeElement));
  const width = byId("graphs").clientWidth;
  graphs.splice(0, graphs.length, ...state.tab.tapes.map(tape => buildGraph(tape, width, {
    choose: (node, k) => choose(tape, node, k),
    point: (node, k, cell) => point(tape, node, k, cell),
    leave: () => { byId("tip").hidden = true; },
  })));
  const { rests } = shared(graphs.map(graph => graph.tape.about));
  byId("graphs").replaceChildren(...graphs.map((graph, i) => make("div", { class: "one-graph" },
    graphs.length > 1 ? make("div", { class: "graph-title" }, make("h2", null, graph.tape.title), make("p", null, rests[i])) : null, graph.svg)));
  if (focused && graphs[which]?.cells.has(focused)) graphs[which].cells.get(focused).cell.focus({ preventScroll: true });
}

function point(tape, node, k, cell) {
  // The live value beside the pointer or the focus.
  const change = openChange(tape, state.change).record ?? null, tip = byId("tip");
  const value = numberOf(tape, change, "data", node, k), slope = numberOf(tape, change, "grad", node, k);
  const both = found => (found.changed ? `${long(found.was)} → ${long(found.is)}` : long(found.is));
  tip.replaceChildren(make("b", null, cellName(node, k)), make("span", null, `value ${both(value)}`), make("span", null, `gradient ${both(slope)}`));
  tip.hidden = false;
  const box = cell.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const x = Math.max(4, Math.min(box.left, document.documentElement.clientWidth - size.width - 4));
  const y = box.top - size.height - 6 < 4 ? box.bottom + 6 : box.top - size.height - 6;
  tip.style.transform = `translate(${Math.round(x + scrollX)}px, ${Math.round(y + scrollY)}px)`;
}

function twinsOf({ tape, node, k }) {
  // The same place in the other tapes of this tab.
  return state.tab.tapes.filter(t => t !== tape).map(t => ({ tape: t, node: t.node.get(node.id), k }))
    .filter(t => t.node && t.node.size === node.size);
}

function showLegend(change) {
  // What the stripes and the words of the matrices mean in this view.
  const [tape] = state.tab.tapes, grads = state.what === "grad";
  const stripes = tape.kind === "penalty"
    ? [["forward", "forward pass"], ["walk", "first walk back"], ["penalty", "penalty"]]
    : [["data", "given"], ["net-g", "G"], ["net-d", "D"], ["loss", "loss"]].filter(([kind]) => tape.nodes.some(node => kindOf(tape, node) === kind && (state.what !== "move" || numberOf(tape, change.record, "move", node, 0))));
  byId("stripes").replaceChildren(...[
    make("li", null, { data: "values of:", grad: "gradients by the numbers of:", move: "moves of:" }[state.what]),
    ...stripes.map(([kind, text]) => make("li", { class: `key stripe ${kind}` }, text)),
    grads && tape.nodes.some(node => isStudied(node, change.record)) ? make("li", { class: "studied" }, `${STUDIED}: training does not compute it`) : null,
    grads && change.mistake ? make("li", { class: "off" }, "off by: distance from the right gradient, in its length") : null,
  ].filter(Boolean));
}

function show() {
  if (state.tab.game) return;
  const item = bar.items[bar.at], { chosen } = state, change = currentChange();
  showLegend(change);
  byId("about").textContent = shared(state.tab.tapes.map(t => t.about)).words
    + (Object.keys(change.record?.also ?? {}).length ? ` The mistake that is on, “${change.mistake.title}”, moves them all the same.` : "");
  for (const graph of graphs) {
    const record = change.tape === graph.tape ? change.record : null;
    const own = graph.tape === chosen.tape ? chosen : twinsOf(chosen).find(t => t.tape === graph.tape) ?? null;
    const current = item?.node ? graph.tape.node.get(item.node.id) : null;
    showGraph(graph, {
      what: state.what, chosen: own, change: record, isMistake: Boolean(record && change.mistake), current,
      known: node => {
        if (state.what === "move" && !numberOf(graph.tape, record, "move", node, 0)) return false;
        if (!item || state.touring || item.what !== state.what) return true;
        return item.known(state.tab.tapes[0].node.get(node.id) ?? node);
      },
    });
  }
  for (const input of document.querySelectorAll("[name=what]")) {
    input.checked = input.value === state.what;
    if (input.value === "move") input.disabled = !state.tab.tapes.some(t => t.movers.length);
  }
  const sentence = item && (typeof item.sentence === "string" ? item.sentence : item.sentence(change.record));
  bar.show(sentence);
  if (!state.touring || bar.at > 0) byId("notice").textContent = "";
  byId("phase").textContent = item ? (state.touring ? `Tour, ${bar.at + 1} of ${bar.items.length}` : item.phase) : "";
  byId("sentence").textContent = sentence ?? `The whole step is shown. Press Play to watch it computed: ${phases(bar.items).map(p => p.name).join(", ")}.`;
  showPanel(chosen);
  const now = what => short(numberOf(chosen.tape, openChange(chosen.tape, state.change).record, what, chosen.node, chosen.k).is);
  byId("jump").textContent = `${cellName(chosen.node, chosen.k)} = ${now("data")}, gradient ${now("grad")}: more ↓`;
}

function currentChange() {
  // The change that is on in this tab; {} if there is none.
  const tape = state.change?.tape;
  return state.tab.tapes.includes(tape) ? openChange(tape, state.change) : {};
}

function showPanel(chosen) {
  const { tape } = chosen, now = currentChange(), own = now.tape === tape ? now : {}, focus = document.activeElement;
  const held = byId("panel").contains(focus) ? focus.dataset.delta ?? focus.dataset.mistake : undefined;
  const act = { change: change => changeTo(tape, change) };
  byId("panel").classList.toggle("three", !tape.mistakes.length);
  byId("panel").replaceChildren(...[
    make("div", { class: "column" }, numberPart(tape, chosen, own, twinsOf(chosen)), forwardPart(tape, chosen, own)),
    make("div", { class: "column" }, backwardPart(tape, chosen, own)),
    make("div", { class: "column" }, whatIfPart(tape, chosen, now, state.kept, act), updatePart(tape, chosen, own)),
    tape.mistakes.length ? make("div", { class: "column" }, mistakesPart(tape, own, act)) : null,
  ].filter(Boolean));
  if (held === undefined) return;
  const buttons = [...byId("panel").querySelectorAll("[data-delta], [data-mistake]")];
  (buttons.find(b => !b.disabled && (b.dataset.delta ?? b.dataset.mistake) === held) ?? buttons[0])?.focus({ preventScroll: true });
}

function changeTo(tape, change) {
  // Gradients are shown where only they are changed, and moves where only these are.
  const before = currentChange();
  state.change = change;
  state.kept = null;
  const now = currentChange();
  if (change && whatToShow(now) !== "data") state.what = whatToShow(now);
  show();
  speak(change ? wordsOn(now) : wordsOff(before));
}

// ---- what the page checked ----

function showChecks() {
  const recorded = tapes.flatMap(tape => (tape.checks ?? []).map(check => ({ ...check, tape })));
  const bad = [...checked.failed.map(kind => ({ text: `${kind.words}: it is off by ${tiny(kind.worst)}`, at: kind.at })),
    ...recorded.filter(c => !c.ok).map(c => ({ text: c.text, at: c.at && { tape: c.tape.key, id: c.at.node, k: c.at.cell } }))];
  const total = checked.kinds.reduce((n, kind) => n + kind.cells, 0), line = byId("check");
  line.className = bad.length ? "bad" : "ok";
  byId("check-words").textContent = bad.length
    ? `✗ ${count(bad.length, "check")} failed. At ${placeOf(bad[0].at)}: ${bad[0].text}`
    : `✓ This page checked itself: ${total.toLocaleString("en")} comparisons agree`;
  byId("check-list").replaceChildren(
    ...checked.kinds.map(kind => checkLine(kind.worst <= kind.limit, `${kind.words}: ${kind.cells.toLocaleString("en")} numbers, farthest apart ${tiny(kind.worst)}, at most ${tiny(kind.limit)} allowed`, kind.worst <= kind.limit ? null : kind.at)),
    ...recorded.map(c => checkLine(c.ok, `${c.tape.title}, when it was recorded: ${c.text}`, c.ok ? null : c.at && { tape: c.tape.key, id: c.at.node, k: c.at.cell })));
}

function placeOf(at) {
  const tape = at && tapes.find(t => t.key === at.tape);
  return tape ? `${cellName(tape.node.get(at.id), at.k)} (${tape.title})` : "an unknown place";
}

function checkLine(ok, text, at) {
  const show = at && button(`show ${placeOf(at)}`, () => {
    const tape = tapes.find(t => t.key === at.tape);
    openTab(tabs.find(tab => tab.tapes.includes(tape)));
    choose(tape, tape.node.get(at.id), at.k);
  });
  return make("li", { class: ok ? "ok" : "bad" }, ok ? "✓ " : "✗ ", text, at ? [" ", show] : null);
}

// ---- the picture as a file ----

function savePicture() {
  const graph = graphs.find(g => g.tape === state.chosen.tape) ?? graphs[0], copy = graph.svg.cloneNode(true);
  const root = getComputedStyle(document.documentElement);
  const rules = [...document.styleSheets[0].cssRules].filter(rule => rule.selectorText?.includes(".graph")).map(rule => rule.cssText).join("\n");
  const colours = [...rules.matchAll(/var\((--[\w-]+)\)/g)].map(m => m[1]).filter((name, i, all) => name !== "--share" && all.indexOf(name) === i);
  copy.setAttribute("xmlns", SVG);
  copy.prepend(draw("style", null, `svg { font-family: system-ui, sans-serif; background: ${root.getPropertyValue("--bg")}; ${colours.map(name => `${name}: ${root.getPropertyValue(name)};`).join(" ")} }\n${rules}`));
  download(`${graph.tape.key.replace(/\W+/g, "-")}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(copy));
}

// ---- the start ----

document.title = R.title;
byId("title").textContent = R.title;
byId("foot").textContent = `Recorded by npgan ${R.npgan}: every number in the matrices was computed by the library, none by hand. The page sends nothing anywhere.`;
for (const [i, tab] of tabs.entries())
  byId("tabs").append(make("button", { type: "button", role: "tab", id: `tab-${i}`, "aria-controls": "view", onclick: () => openTab(tab) }, tab.title));
byId("tabs").addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], to = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1
    : step && (tabs.indexOf(state.tab) + step + tabs.length) % tabs.length;
  if (to === undefined) return;
  event.preventDefault();
  openTab(tabs[to]);
  byId(`tab-${to}`).focus();
});
for (const input of document.querySelectorAll("[name=what]")) input.addEventListener("change", () => { state.what = input.value; show(); });
byId("tour").hidden = byId("lead-tour").hidden = !R.story.length;
byId("tour").addEventListener("click", () => tour(!state.touring));
byId("lead-tour").addEventListener("click", () => { tour(true); byId("next").focus(); });
byId("save-record").addEventListener("click", () => download("study.json", "application/json", byId("record").textContent));
byId("save-picture").addEventListener("click", savePicture);
byId("jump").addEventListener("click", () => byId("panel").scrollIntoView({ behavior: still() ? "auto" : "smooth" }));
new IntersectionObserver(([entry]) => { byId("jump").hidden = entry.isIntersecting || entry.boundingClientRect.top < 0 || Boolean(state.tab.game); }).observe(byId("panel"));
let resized = null;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => { if (state.tab.game) game.open(); else { build(); show(); } }, 120);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (state.tab.game) game.open(); });
showChecks();
openTab(tabs[0]);
