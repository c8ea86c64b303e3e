// What is said of the chosen number: where it comes from, what arrives backwards, how it moves.

const row = (head, ...cells) => make("tr", null, make("th", { scope: "row" }, head), cells.map(c => make("td", null, c)));
const lossOf = tape => (tape.kind === "penalty" ? "penalty" : "loss");

function ofRightStep(change) {
  // Above numbers that a change does not touch because only the right step's were recorded.
  return make("p", { class: "before-words" }, change.kind === "mistake" ? "These are the numbers of the right step, without the mistake." : "These are the numbers before the change.");
}

function movesWords(tape, node, change) {
  // Of a weight: whether this step moves it.
  if (tape.kind !== "step" || node.op || !/^[GD]$/.test(node.group)) return "";
  if (node.moves) return " This step moves them.";
  return change.record?.also[node.id] ? " With the mistake, this step moves them, too." : " This step does not move them.";
}

function slopeWords(tape, { node, k }, change, slope, difference) {
  // What the gradient says of the loss; with a mistake the measured one is true, not the rule's.
  const loss = lossOf(tape), so = g => (g === 0 ? "does not change" : `${g > 0 ? "grows" : "falls"} by ${short(Math.abs(g))} · h`);
  if (!change.mistake) return slope.is === 0 ? `A small change of this number does not change the ${loss}.` : `If this number grows by a small h, the ${loss} ${so(slope.is)}.`;
  const begin = `If this number grows by a small h, the ${loss}`;
  if (!change.mistake.check.found) return `${begin} of this step ${so(slope.is)}.`;
  return `${begin} ${so(difference ?? slope.was)}${slope.changed ? `; the backward pass with the mistake says that it ${so(slope.is)}` : ""}.`;
}

function differenceRows(tape, { node, k }, change, slope) {
  // The finite difference of the step that is shown: npgan measured it with each mistake, too.
  const measured = (change.mistake?.differences ?? tape.differences)[node.id]?.[k];
  if (measured === undefined) return [];
  const before = change.kind === "whatif" ? ", before the change" : "", g = change.kind === "whatif" ? slope.was : slope.is;
  const distance = Math.abs(measured - g), fits = distance <= 1e-8 * (tape.scale ?? 1);
  return [row(`finite difference${before}`, long(measured)), row(`their distance${before}`, make("span", { class: fits ? null : "bad" }, `${fits ? "" : "✗ "}${tiny(distance)}`))];
}

function numberPart(tape, chosen, change, twins) {
  const { node, k } = chosen, record = change.record ?? null, L = tape.kind === "penalty" ? "R" : "L";
  const value = numberOf(tape, record, "data", node, k), slope = numberOf(tape, record, "grad", node, k);
  const arrow = found => (found.changed ? [make("span", { class: "whole" }, long(found.was), " →"), " ", make("b", { class: "whole" }, long(found.is))] : long(found.is));
  const differences = differenceRows(tape, chosen, change, slope);
  const part = make("section", { class: "part number-part", "aria-labelledby": "number-title" },
    make("h2", { id: "number-title" }, cellName(node, k)),
    make("p", { class: "soft" }, node.sentence, movesWords(tape, node, change)),
    make("table", { class: "facts" }, make("tbody", null, row("value", arrow(value)), row(`gradient d${L}/d·`, arrow(slope)), differences)));
  if (isStudied(node, record)) part.append(make("p", { class: "studied-words" }, "This gradient is shown for study; training does not compute it."));
  part.append(make("p", { class: "slope-words" }, slopeWords(tape, chosen, change, slope, change.mistake?.differences[node.id]?.[k])));
  if (differences.length)
    part.append(make("p", { class: "soft" }, `The finite difference uses no rule: the whole forward pass is computed at this number ± h, and (${L}(+h) − ${L}(−h)) / 2h should be the gradient.`));
  for (const twin of twins) {
    part.append(make("p", { class: "twin" }, make("b", null, `In “${twin.tape.title}”`), `: value ${short(twin.node.data[k])}, gradient ${short(twin.node.grad[k])}.`));
  }
  return part;
}

function forwardPart(tape, { node, k }, change) {
  const part = make("section", { class: "part", "aria-label": "forward" }, make("h3", null, "Forward: how it is computed"));
  if (!node.op) {
    part.append(make("p", null, "It is given, not computed: an input or a weight of this step."));
    return part;
  }
  const formula = formulaOf(tape, node, k);
  part.append(make("p", { class: "formula" }, `${node.op}: `, node.formula));
  if (isProduct(node)) part.append(make("p", { class: "formula product" }, productWords(tape, node)));
  if (formula) {
    part.append(make("p", { class: "formula plugged" }, `${cellName(node, k)} = ${formula.text} = `, make("b", null, short(formula.value))), make("p", { class: "soft" }, ROUNDED));
    if (change.kind && changesValues(change)) { part.classList.add("before"); part.querySelector("h3").after(ofRightStep(change)); }
  }
  const sources = node.parts.map(e => e.source.label);
  part.append(make("p", { class: "soft" }, `Made from ${[...new Set(sources)].join(", ")}.`));
  return part;
}

function ruleLine(tape, edge) {
  const rule = edge.target.rules[edge.arg] ?? edge.target.rules.at(-1);
  if (!rule) return null;
  const place = rule.file ? `${rule.file}:${rule.line}` : "", product = ruleWords(tape, edge);
  return make("div", { class: "rule" },
    make("p", null, make("span", { class: "place" }, place), rule.url ? [" ", make("a", { href: rule.url, target: "_blank", rel: "noopener" }, `how this rule of ${edge.target.op} is derived`)] : null),
    make("pre", null, make("code", null, rule.text)),
    product ? make("p", { class: "formula product" }, product) : null,
    hasFlips(rule.text) ? make("p", { class: "soft" }, FLIPS) : null);
}

function backwardPart(tape, { node, k }, change) {
  const L = tape.kind === "penalty" ? "R" : "L";
  const part = make("section", { class: "part backward-part", "aria-label": "backward" }, make("h3", null, "Backward: what arrives here"));
  if (!node.uses.length) {
    part.append(make("p", null, node === tape.end ? `This is the ${lossOf(tape)} itself. Its gradient by itself is 1: here the walk backwards begins.` : "Nothing uses this number."));
    return part;
  }
  if (change.kind) { part.classList.add("before"); part.append(ofRightStep(change)); }
  const terms = termsInto(node, k);
  const body = make("tbody");
  for (const { edge, target, i, value } of terms) {
    const slope = slopeOf(tape, edge, i, k);
    body.append(make("tr", null, make("th", { scope: "row" }, cellName(target, i)), make("td", null, short(target.grad[i])),
      make("td", null, short(slope ? slope.value : value / target.grad[i])),
      make("td", { class: "soft which" }, slope && slope.text !== short(slope.value) && slope.text !== minus(String(slope.value)) ? slope.text : ""), make("td", null, short(value))));
  }
  const sum = terms.reduce((a, t) => a + t.value, 0);
  if (terms.length) {
    part.append(...[make("p", { class: "soft" }, "Each number that uses this one sends back its own gradient g times the slope: how fast it grows with this one. ", ROUNDED),
      terms.length > 14 ? make("p", { class: "soft" }, `The table has ${terms.length} rows: scroll it to see all.`) : null,
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "terms that arrive" },
        make("table", { class: "terms" },
          make("thead", null, make("tr", null, ["from", "its g", "slope", "which is", "g · slope"].map(t => make("th", { scope: "col" }, t)))),
          body,
          make("tfoot", null, make("tr", null, make("th", { scope: "row", colspan: 4 }, terms.length === 1 ? "the sum of this one term" : `the sum of these ${terms.length} terms`), make("td", null, make("b", null, short(sum)))))))].filter(Boolean));
    const same = Math.abs(sum - node.grad[k]) <= 1e-12 * Math.max(1e-300, terms.reduce((a, t) => a + Math.abs(t.value), 0));
    part.append(make("p", { class: same ? "ok" : "bad" }, same ? `✓ The sum is the gradient d${L}/d·.` : `✗ The sum is not the gradient, which is ${long(node.grad[k])}.`));
  } else {
    part.append(make("p", { class: "zero" }, "Nothing arrives: every term is exactly 0."));
  }
  for (const edge of node.uses) part.append(ruleLine(tape, edge));
  return part;
}

function updatePart(tape, { node, k }, change) {
  const part = make("section", { class: "part update-part", "aria-label": "update" }, make("h3", null, "Update: how it moves"));
  const optimiser = tape.optimiser, leaf = optimiser?.leaves[node.id], record = change.record ?? null;
  const moved = numberOf(tape, record, "move", node, k);
  if (moved?.changed) part.append(make("p", { class: "twin" }, `With the ${change.kind === "mistake" ? "mistake" : "change"} it moves by `, make("b", null, long(moved.is)), leaf ? ` instead of ${long(moved.was)}.` : "; the right step does not move it."));
  if (!leaf) {
    const why = !optimiser ? "On this page no optimiser follows." : node.op ? "Only weights are moved; this number is computed anew in the next step."
      : /^[GD]$/.test(node.group) ? `This step does not move ${node.group}'s weights.` : "Inputs are not moved.";
    if (!moved) part.append(make("p", null, why));
    return part;
  }
  const { beta1, beta2, lr, eps, step } = optimiser, g = node.grad[k];
  const m = leaf.m[k], v = leaf.v[k], old = (now, beta, x) => (now - (1 - beta) * x) / beta;
  const lines = optimiser.name === "Adam" && beta1 > 0 ? [
    ["m", "running mean of the gradients", `${beta1} · ${plugged(old(m, beta1, g))} + ${short(1 - beta1)} · ${plugged(g)}`, m],
    ["v", "running mean of their squares", `${beta2} · ${plugged(old(v, beta2, g * g))} + ${short(1 - beta2)} · ${plugged(g)}²`, v],
    ["m̂", `both began at 0: corrected for that at step ${step}`, `${plugged(m)} / (1 − ${beta1}^${step})`, leaf.m_hat[k]],
    ["√v̂", "the usual size of the gradient", `√(${plugged(v)} / (1 − ${beta2}^${step}))`, leaf.root[k]],
    ["move", "against the gradient", `−${lr} · ${plugged(leaf.m_hat[k])} / (${short(leaf.root[k])} + ${minus(eps.toExponential())})`, leaf.move[k]],
    ["after", "the weight in the next step", `${short(node.data[k])} ${leaf.move[k] < 0 ? "−" : "+"} ${short(Math.abs(leaf.move[k]))}`, leaf.after[k]],
  ] : [["move", "", `by ${optimiser.name}`, leaf.move[k]], ["after", "", "", leaf.after[k]]];
  if (moved.changed) { part.classList.add("before"); part.append(ofRightStep(change)); }
  part.append(make("p", { class: "soft" }, `${optimiser.name}, step ${step}, learning rate ${lr}. `, ROUNDED),
    make("dl", { class: "adam" }, lines.map(([name, words, formula, value]) => [
      make("dt", null, make("b", null, name), words ? make("span", { class: "soft" }, ` ${words}`) : null),
      make("dd", { class: "formula" }, formula ? `${formula} = ` : "", make("b", null, name === "after" || name === "move" ? long(value) : short(value)))])));
  return part;
}
