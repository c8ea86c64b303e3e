// What if a number were different, and the classic mistakes: whole steps that npgan recorded.

function openChange(tape, wanted) {
  // { kind, key, tape, record, mistake or cell } of a button that was pressed; no change: {}.
  if (!wanted || wanted.tape !== tape) return {};
  const { kind, key } = wanted;
  if (kind === "mistake") {
    const mistake = tape.mistakes.find(m => m.key === key);
    return { kind, key, tape, mistake, record: changedRecord(tape, mistake.values, Float64Array, mistake.also_moves) };
  }
  const [id, k, delta] = key.split(",").map(Number);
  return { kind, key, tape, cell: { node: tape.node.get(id), k, delta }, record: changedRecord(tape, tape.whatif[key], Float32Array) };
}

const changesValues = change => changedCells(change.tape, change.record, "data").length > 0;

function whatToShow(change) {
  // The kind of numbers that the change is about: values, if it changes any; else gradients, or moves.
  return ["data", "grad", "move"].find(what => changedCells(change.tape, change.record, what).length) ?? "data";
}

const nameOfChange = change => (change.kind === "mistake" ? `The mistake “${change.mistake.title}”` : `The change of ${cellName(change.cell.node, change.cell.k)}`);

function wordsOn(change) {
  const { tape, record } = change, { was, is } = numberOf(tape, record, "data", tape.end, 0);
  const loss = changesValues(change) ? `${tape.end.label} ${short(was)} becomes ${short(is)}` : `${tape.end.label} stays ${short(was)}`;
  const counts = [["grad", "gradient"], ["move", "move"]].map(([what, thing]) => count(changedCells(tape, record, what).length, thing));
  return `${nameOfChange(change)} is on: ${loss}; ${counts.join(" and ")} changed.`;
}

const wordsOff = change => `${nameOfChange(change)} is off: all numbers are those of the right step again.`;

// ---- what the panel says ----

function lossLine(tape, change) {
  const { was, is } = numberOf(tape, change, "data", tape.end, 0);
  const trend = is > was ? "▲ more" : is < was ? "▼ less" : "the same";
  return make("p", { class: "loss-line" }, `${tape.end.label}: `, make("span", null, long(was)), " → ", make("b", null, long(is)), ` (${trend})`);
}

function movesTable(tape, change) {
  const moves = changedCells(tape, change, "move");
  if (!moves.length) return make("p", { class: "soft" }, "No weight moves differently.");
  const rows = moves.sort((a, b) => Math.abs(b.found.is - b.found.was) - Math.abs(a.found.is - a.found.was)).slice(0, 6)
    .map(({ node, k, found }) => row(cellName(node, k), short(found.was), short(found.is)));
  return make("table", { class: "terms moves" },
    make("caption", null, `${count(moves.length, "weight")} would move differently` + (moves.length > rows.length ? "; the largest differences:" : ":")),
    make("thead", null, make("tr", null, make("th", { scope: "col" }, "weight"), make("th", { scope: "col" }, "move was"), make("th", { scope: "col" }, "move is"))),
    make("tbody", null, rows));
}

function summary(tape, change) {
  const of = (what, thing) => count(changedCells(tape, change, what).length, thing);
  return make("p", null, `Marked above by a corner (◤ larger, ◣ smaller): ${of("data", "value")} and ${of("grad", "gradient")} of ${tape.size} changed, and ${of("move", "move")}.`);
}

function whatIfResult({ tape, record, cell }, isOwnTape) {
  const { node, k, delta } = cell, name = cellName(node, k), expected = tape.end.data[0] + delta * node.grad[k];
  return make("div", { class: "result" },
    make("h4", null, `If ${name} were ${short(node.data[k] + delta)} in place of ${short(node.data[k])} (${signed(delta)})${isOwnTape ? "" : `, in “${tape.title}”`}`),
    lossLine(tape, record),
    make("p", { class: "soft" }, `The gradient alone predicts ${long(expected)}: it is exact only for small changes.`),
    summary(tape, record), movesTable(tape, record));
}

function whatIfPart(tape, { node, k }, change, kept, act) {
  const part = make("section", { class: "part what-if", "aria-label": "what if" }, make("h3", null, "What if it were different?"));
  const deltas = Object.keys(tape.whatif).filter(key => key.startsWith(`${node.id},${k},`)).map(key => key.split(",")[2]);
  if (deltas.length)
    part.append(make("p", { class: "soft" }, `Change ${cellName(node, k)}, and npgan's whole step is another one:`),
      make("div", { class: "buttons" }, deltas.sort((a, b) => a - b).map(delta => {
        const key = `${node.id},${k},${delta}`, on = change.tape === tape && change.key === key;
        return button(signed(Number(delta)).replace(/0+$/, ""), () => act.change(on ? null : { kind: "whatif", key, tape }), { "aria-pressed": on, "data-delta": delta });
      }), button("as it was", () => act.change(null), { disabled: change.kind !== "whatif", "data-delta": "reset" })));
  else {
    part.append(make("p", null, Object.keys(tape.whatif).length && node.op
      ? "This number is computed. Choose one that is given, an input or a weight, and change that."
      : "No changes were recorded for this number."));
    if (change.kind === "whatif") part.append(make("div", { class: "buttons" }, button("as it was", () => act.change(null), { "data-delta": "reset" })));
  }
  if (kept) part.append(make("p", { class: "soft" }, "Your change is off during the tour, whose sentences speak of the right step. It comes back after the tour."));
  if (change.kind === "whatif") part.append(whatIfResult(change, change.tape === tape));
  return part;
}

function gradientWords({ tape, record, mistake }) {
  // How far the gradient is from the right one, and whether a gradient check would find it.
  const { share, cosine } = distanceOf(tape, record, "grad", tape.movers), who = tape.movers[0].group;
  return [make("p", { class: "check-words" }, make("b", null, mistake.check.sentence)),
    share === 0 ? make("p", { class: "soft" }, `The gradient of ${who}'s weights is the right one.`)
      : make("p", { class: "soft" }, `The gradient of all ${who}'s weights together is ${percent(share)} of its length away from the right one; the cosine of the angle between both is ${cosine.toFixed(3)} (1 is the same direction, −1 the opposite one). In the view of the gradients each matrix says how far it is off.`)];
}

function trainedWords({ steps, right, wrong, measure }) {
  // What is true of this training: where it began, where it ended, and where the right one ended.
  const end = wrong.at(-1), fine = right.at(-1), start = wrong[0];
  const verdict = end <= 1.1 * fine ? "G is as near as without the mistake" : end <= 2 * fine ? "G trains, only worse"
    : end <= 1.05 * start ? "G has hardly come nearer than it was at the start" : "G does not train: it is farther away than at the start";
  return `After ${steps.at(-1).toLocaleString("en")} steps the ${measure} is ${end.toFixed(2)}; without the mistake it is ${fine.toFixed(2)}, and at the start it was ${start.toFixed(2)}. ${verdict}.`;
}

function trainedPart(training) {
  const { steps, right, wrong, measure, about } = training;
  return [make("h4", null, "Trained for a while"), make("p", { class: "trained" }, trainedWords(training)), make("p", { class: "soft" }, about), lineChart({
    label: `${measure}, by step: right ends at ${short(right.at(-1))}, wrong at ${short(wrong.at(-1))}`, x: steps, axis: measure, width: 284, height: 150,
    lines: [{ name: "right", values: right, kind: "solid" }, { name: "wrong", values: wrong, kind: "dashed" }],
  })];
}

function mistakesPart(tape, change, act) {
  if (!tape.mistakes.length) return null;
  const isOn = m => change.kind === "mistake" && change.key === m.key;
  const part = make("section", { class: "part mistakes", "aria-label": "classic mistakes" }, make("h3", null, "Classic mistakes"),
    make("p", { class: "soft" }, "Each was made in npgan and recorded. Nothing crashes: that is why they are hard to notice. Choose one to see what it does to this step, and to a whole training."),
    make("div", { class: "buttons" }, tape.mistakes.map(mistake =>
      button(mistake.title, () => act.change(isOn(mistake) ? null : { kind: "mistake", key: mistake.key, tape }), { "aria-pressed": isOn(mistake), "data-mistake": mistake.key }))));
  const { mistake, record } = change;
  if (!mistake) return part;
  part.append(make("p", { class: "said" }, mistake.sentence), ...gradientWords(change), lossLine(tape, record), summary(tape, record), movesTable(tape, record));
  if (mistake.training) part.append(...trainedPart(mistake.training));
  return part;
}
