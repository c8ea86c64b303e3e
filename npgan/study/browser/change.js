// What if a number were different, and the classic mistakes: whole steps that npgan recorded.

function lossLine(tape, change) {
  const { was, is } = numberOf(tape, change, "data", tape.end, 0);
  const trend = is > was ? "▲ more" : is < was ? "▼ less" : "the same";
  return make("p", { class: "loss-line" }, `${tape.end.label}: `, make("span", null, long(was)), " → ", make("b", null, long(is)), ` (${trend})`);
}

function changedCells(tape, change, what) {
  const nodes = what === "move" ? tape.movers : tape.nodes;
  return nodes.flatMap(node => node.data.map((_, k) => ({ node, k, found: numberOf(tape, change, what, node, k) })))
    .filter(({ found }) => found?.changed);
}

function movesTable(tape, change, also) {
  const moves = changedCells(tape, change, "move");
  const rows = moves.sort((a, b) => Math.abs(b.found.is - b.found.was) - Math.abs(a.found.is - a.found.was)).slice(0, 6)
    .map(({ node, k, found }) => row(cellName(node, k), short(found.was), short(found.is)));
  for (const [id, list] of Object.entries(also ?? {})) {
    const node = tape.node.get(Number(id));
    const k = list.reduce((best, x, i) => (Math.abs(x) > Math.abs(list[best]) ? i : best), 0);
    rows.push(row(cellName(node, k), "0", short(list[k])));
  }
  if (!rows.length) return make("p", { class: "soft" }, "No weight moves differently.");
  const total = moves.length + Object.values(also ?? {}).reduce((n, list) => n + list.length, 0);
  return make("table", { class: "terms" },
    make("caption", null, `${count(total, "weight")} would move differently` + (total > rows.length ? "; the largest differences:" : ":")),
    make("thead", null, make("tr", null, make("th", { scope: "col" }, "weight"), make("th", { scope: "col" }, "move was"), make("th", { scope: "col" }, "move is"))),
    make("tbody", null, rows));
}

function summary(tape, change) {
  const values = changedCells(tape, change, "data").length, gradients = changedCells(tape, change, "grad").length;
  return make("p", null, `Marked above by a corner (◤ larger, ◣ smaller): ${count(values, "value")} and ${count(gradients, "gradient")} of ${tape.size} changed.`);
}

function whatIfPart(tape, chosen, state, act) {
  const part = make("section", { class: "part", "aria-label": "what if" }, make("h3", null, "What if it were different?"));
  const { node, k } = chosen, deltas = Object.keys(tape.whatif).filter(key => key.startsWith(`${node.id},${k},`)).map(key => key.split(",")[2]);
  if (!deltas.length) {
    part.append(make("p", null, Object.keys(tape.whatif).length && node.op
      ? "This number is computed. Choose one that is given, an input or a weight, and change that."
      : "No changes were recorded for this number."));
    return part;
  }
  part.append(make("p", { class: "soft" }, "Change it, and npgan's whole step is another one:"),
    make("div", { class: "buttons" }, deltas.sort((a, b) => a - b).map(delta => {
      const key = `${node.id},${k},${delta}`;
      return button(signed(Number(delta)).replace(/0+$/, ""), () => act.change(state.key === key ? null : { kind: "whatif", key, tape }), { "aria-pressed": state.key === key, "data-delta": delta });
    }), button("as it was", () => act.change(null), { disabled: state.kind !== "whatif" })));
  if (state.kind === "whatif" && state.key.startsWith(`${node.id},${k},`)) {
    const delta = Number(state.key.split(",")[2]), expected = tape.end.data[0] + delta * node.grad[k];
    part.append(lossLine(tape, state.record),
      make("p", { class: "soft" }, `The gradient alone predicts ${long(expected)}: it is exact only for small changes.`),
      summary(tape, state.record), movesTable(tape, state.record));
  }
  return part;
}

function mistakesPart(tape, state, act) {
  if (!tape.mistakes.length) return null;
  const part = make("section", { class: "part mistakes", "aria-label": "classic mistakes" }, make("h3", null, "Classic mistakes"),
    make("p", { class: "soft" }, "Each was made in npgan and recorded. Most still train, only worse or later, and nothing crashes: that is why they are hard to notice."),
    make("div", { class: "buttons" }, tape.mistakes.map(mistake =>
      button(mistake.title, () => act.change(state.key === mistake.key ? null : { kind: "mistake", key: mistake.key, tape }), { "aria-pressed": state.key === mistake.key, "data-mistake": mistake.key }))));
  const mistake = state.kind === "mistake" && tape.mistakes.find(m => m.key === state.key);
  if (!mistake) return part;
  part.append(make("p", { class: "said" }, mistake.sentence), lossLine(tape, state.record), summary(tape, state.record), movesTable(tape, state.record, mistake.also_moves));
  if (mistake.training) {
    const { steps, right, wrong, measure } = mistake.training;
    part.append(make("h4", null, "Trained for a while"), lineChart({
      label: `${measure}, by step: right ends at ${short(right.at(-1))}, wrong at ${short(wrong.at(-1))}`, x: steps, axis: measure, width: 284, height: 150,
      lines: [{ name: "right", values: right, kind: "solid" }, { name: "wrong", values: wrong, kind: "dashed" }],
    }));
  }
  return part;
}

function openChange(tape, wanted) {
  // { kind, key, record } of a button that was pressed; no change: {}.
  if (!wanted || wanted.tape !== tape) return {};
  const text = wanted.kind === "whatif" ? tape.whatif[wanted.key] : tape.mistakes.find(m => m.key === wanted.key).values;
  return { kind: wanted.kind, key: wanted.key, record: changedRecord(tape, text) };
}
