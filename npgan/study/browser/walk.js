// The bar that walks: one item for each node, forward, then backward, then the update. The tour is
// another list of items. An item: { phase, what, tape, sentence, node, known(node), cell }; its
// sentence is a text, or a function of the change that is on.

function stepsOf(tape) {
  const computed = tape.nodes.filter(node => node.op), given = tape.nodes.filter(node => !node.op);
  const penalty = tape.kind === "penalty", loss = penalty ? "penalty" : "loss";
  const names = given.map(node => node.label).join(", ");
  const items = [{
    phase: "forward", what: "data", node: null, known: node => !node.op,
    sentence: `The step begins with what is given: ${names}.`,
  }];
  for (const node of computed) {
    const phase = penalty ? { "first walk": "first walk back", penalty: "penalty" }[node.part] ?? "forward" : node.part === "loss" ? "loss" : "forward";
    items.push({ phase, what: "data", node, known: n => !n.op || n.at <= node.at, sentence: node.sentence });
  }
  for (const node of computed.slice().reverse()) {
    const first = node === tape.end, from = [...new Set(node.parts.map(e => e.source.label))];
    items.push({
      phase: penalty ? "second walk back" : "backward", what: "grad", node,
      known: n => n === tape.end || (n.uses.length > 0 && n.uses.every(use => use.target.at >= node.at)),
      sentence: `${first ? `Backward: the gradient of the ${loss} by itself is 1. ` : ""}The rule of ${node.op} turns the gradient of ${node.label} (${shapeText(node.shape)}) into ${from.length === 1 ? "that" : "those"} of ${from.join(", ")}.`,
    });
  }
  tape.movers.forEach((node, i) => {
    const isLast = i === tape.movers.length - 1;
    items.push({
      phase: "update", what: "move", node, known: n => (tape.movers.includes(n) ? tape.movers.indexOf(n) <= i : isLast),
      sentence: change => {
        const moves = node.data.map((_, k) => Math.abs(numberOf(tape, change, "move", node, k).is));
        return `${tape.optimiser.name} moves ${node.label}: ${count(node.size, "number")}, by at most ${short(Math.max(...moves))}. The next step begins with the moved weights.`;
      },
    });
  });
  return items;
}

function tourOf(story, tapes) {
  const whats = { forward: "data", backward: "grad", update: "move" };
  return story.map(item => {
    const tape = tapes.find(t => t.key === item.tape);
    const node = tape.node.get(item.node);
    return { phase: item.part, what: whats[item.part] ?? "data", tape, node: null, known: () => true, sentence: item.sentence, cell: { node, k: item.cell } };
  });
}

function makeBar(act) {
  // act: { go(position) }; positions -1 (everything is shown) to items.length - 1.
  const bar = { items: [], at: -1, timer: null };
  const slider = byId("slider"), play = byId("play");
  const stop = () => {
    clearInterval(bar.timer);
    bar.timer = null;
    play.textContent = "▶ Play";
  };
  const go = position => {
    bar.at = Math.max(-1, Math.min(position, bar.items.length - 1));
    if (bar.at === bar.items.length - 1) stop();
    act.go(bar.at);
  };
  bar.stop = stop;
  bar.load = (items, at) => { stop(); bar.items = items; bar.at = at; };
  bar.show = sentence => {
    const item = bar.items[bar.at];
    slider.max = Math.max(0, bar.items.length - 1);
    slider.value = Math.max(0, bar.at);
    slider.classList.toggle("idle", bar.at < 0);
    const words = bar.at < 0 ? "the whole step is shown" : `${bar.at + 1} of ${bar.items.length}, ${item.phase}: ${sentence}`;
    slider.setAttribute("aria-valuetext", words);
    byId("phases").replaceChildren(...phases(bar.items).map(({ name, length }) =>
      make("span", { style: `flex-grow: ${length}`, class: item?.phase === name ? "now" : null }, name)));
    byId("back").disabled = byId("rewind").disabled = bar.at <= 0;
    byId("next").disabled = bar.at >= bar.items.length - 1;
    byId("whole").setAttribute("aria-pressed", bar.at < 0);
  };
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  byId("rewind").addEventListener("click", () => { stop(); go(0); });
  byId("back").addEventListener("click", () => { stop(); go(bar.at - 1); });
  byId("next").addEventListener("click", () => { stop(); go(bar.at + 1); });
  byId("whole").addEventListener("click", () => { stop(); go(-1); });
  play.addEventListener("click", () => {
    if (bar.timer) return stop();
    play.textContent = "❚❚ Pause";
    bar.timer = setInterval(() => go(bar.at + 1), 1600);
    go(bar.at >= bar.items.length - 1 ? 0 : bar.at + 1);
  });
  return bar;
}

function phases(items) {
  const found = [];
  for (const { phase } of items) {
    if (found.at(-1)?.name === phase) found.at(-1).length += 1;
    else found.push({ name: phase, length: 1 });
  }
  return found;
}
