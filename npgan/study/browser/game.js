// The game in the plane, as it was recorded: what D thinks, where G's points are, where D sends them.

function openGame(raw) {
  const game = { ...raw, real: numbersOf(raw.real, Int16Array) };
  for (const scenario of game.scenarios)
    for (const frame of scenario.frames) {
      frame.heat = numbersOf(frame.heat, Uint8Array);
      for (const name of ["fake", "arrow", "mesh"]) frame[name] = numbersOf(frame[name], Int16Array);
    }
  return game;
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function rgb(hex) {
  return [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
}

function heatImage(heat, n) {
  // Row 0 is the lowest y, so it is drawn last.
  const image = document.createElement("canvas"), low = rgb(colour("--fake-ground")), middle = rgb(colour("--even-ground")), high = rgb(colour("--real-ground"));
  image.width = image.height = n;
  const context = image.getContext("2d"), pixels = context.createImageData(n, n);
  for (let i = 0; i < n * n; i++) {
    const t = heat[i] / 127.5 - 1, end = t > 0 ? high : low, share = Math.abs(t);
    const at = 4 * ((n - 1 - Math.floor(i / n)) * n + (i % n));
    for (let c = 0; c < 3; c++) pixels.data[at + c] = middle[c] + (end[c] - middle[c]) * share;
    pixels.data[at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return image;
}

function evenLine(context, heat, n, place) {
  // Where σ(D) = 1/2: marching squares, by linear interpolation along the sides of each square.
  const centre = i => (i + 0.5) / n;
  context.beginPath();
  for (let r = 0; r < n - 1; r++)
    for (let c = 0; c < n - 1; c++) {
      const corner = [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]], points = [];
      for (let s = 0; s < 4; s++) {
        const [r1, c1] = corner[s], [r2, c2] = corner[(s + 1) % 4];
        const a = heat[r1 * n + c1] - 127.5, b = heat[r2 * n + c2] - 127.5;
        if (a > 0 === b > 0) continue;
        const t = a / (a - b);
        points.push(place(centre(c1) + (t * (c2 - c1)) / n, centre(r1) + (t * (r2 - r1)) / n));
      }
      for (let i = 0; i + 1 < points.length; i += 2) { context.moveTo(...points[i]); context.lineTo(...points[i + 1]); }
    }
  context.stroke();
}

function drawScene(canvas, game, frame, large) {
  const size = Math.round(canvas.clientWidth * devicePixelRatio) || 200, scale = size / 420;
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"), extent = game.extent;
  const point = (x, y) => [((x / 8192 + extent) / (2 * extent)) * size, size - ((y / 8192 + extent) / (2 * extent)) * size];
  context.imageSmoothingEnabled = true;
  context.drawImage(heatImage(frame.heat, game.grid), 0, 0, size, size);
  context.strokeStyle = colour("--fg");
  context.lineWidth = large ? 1.2 * scale : 2 * scale;
  context.setLineDash([5 * scale, 4 * scale]);
  evenLine(context, frame.heat, game.grid, (x, y) => [x * size, size - y * size]);
  context.setLineDash([]);
  if (large) drawMesh(context, frame.mesh, game.mesh_side, point, scale);
  const dot = (large ? 3.4 : 5) * scale;
  context.strokeStyle = colour("--real-ink");
  context.lineWidth = 1.6 * scale;
  for (let i = 0; i < game.real.length; i += 2) {
    context.beginPath();
    context.arc(...point(game.real[i], game.real[i + 1]), dot, 0, 7);
    context.stroke();
  }
  context.fillStyle = context.strokeStyle = colour("--fake-ink");
  for (let i = 0; i < frame.fake.length; i += 2) {
    const [x, y] = point(frame.fake[i], frame.fake[i + 1]);
    if (large) {
      const reach = (game.arrow * size) / (2 * extent * 2048);  // the same in every frame, so that lengths can be compared
      arrow(context, x, y, frame.arrow[i] * reach, -frame.arrow[i + 1] * reach, scale);
    }
    context.fillRect(x - dot, y - dot, 2 * dot, 2 * dot);
  }
}

function meanArrow(frame) {
  // The mean length of the gradients that the arrows show.
  let sum = 0;
  for (let i = 0; i < frame.arrow.length; i += 2) sum += Math.hypot(frame.arrow[i], frame.arrow[i + 1]);
  return (2 * sum) / (frame.arrow.length * 2048);
}

function arrow(context, x, y, dx, dy, scale) {
  const length = Math.hypot(dx, dy);
  if (length < 1.5 * scale) return;
  const [ux, uy] = [dx / length, dy / length], tip = Math.min(4 * scale, length / 2);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + dx, y + dy);
  context.moveTo(x + dx - tip * (ux + uy / 2), y + dy - tip * (uy - ux / 2));
  context.lineTo(x + dx, y + dy);
  context.lineTo(x + dx - tip * (ux - uy / 2), y + dy - tip * (uy + ux / 2));
  context.stroke();
}

function drawMesh(context, mesh, side, point, scale) {
  context.strokeStyle = colour("--mesh");
  context.lineWidth = scale;
  context.beginPath();
  const at = (r, c) => point(mesh[2 * (r * side + c)], mesh[2 * (r * side + c) + 1]);
  for (let i = 0; i < side; i++) {
    context.moveTo(...at(i, 0));
    for (let j = 1; j < side; j++) context.lineTo(...at(i, j));
    context.moveTo(...at(0, i));
    for (let j = 1; j < side; j++) context.lineTo(...at(j, i));
  }
  context.stroke();
}

// ---- the tab ----

function showGame(raw, root) {
  const game = openGame(raw), last = Math.max(...game.scenarios.map(s => s.frames.length)) - 1;
  const every = game.scenarios[0].frames[1].step - game.scenarios[0].frames[0].step;
  let at = last, chosen = 0, timer = null;
  const frameOf = scenario => scenario.frames[Math.min(at, scenario.frames.length - 1)];
  const big = make("canvas", { class: "scene", role: "img" });
  const thumbs = game.scenarios.map((scenario, i) => {
    const canvas = make("canvas", { class: "scene", "aria-hidden": "true" });
    const pick = button("", () => { chosen = i; openScenario(); speak(`${scenario.title}: ${scenario.sentence}`); }, { class: "thumb", "data-scenario": scenario.key });
    pick.append(canvas, make("span", null, scenario.title));
    return { pick, canvas, scenario };
  });
  const slider = make("input", { type: "range", id: "game-slider", min: 0, max: last, value: at, "aria-label": "step of the training" });
  const words = make("p", { class: "said", id: "game-words" }), losses = make("p", { class: "loss-line", id: "game-losses" }), chart = make("div", { id: "game-chart" });
  const play = button("▶ Play", () => (timer ? stop() : start()), { id: "game-play" });
  const go = to => { at = Math.max(0, Math.min(last, to)); if (at === last) stop(); show(); };
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶ Play"; };
  const start = () => {
    play.textContent = "❚❚ Pause";
    if (at === last) at = 0;
    timer = setInterval(() => go(at + 1), 220);
    show();
  };
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  let lines;
  function openScenario() {
    const { frames, equilibrium, sentence } = game.scenarios[chosen];
    words.textContent = sentence;
    lines = lineChart({
      label: "losses of D and G by step", x: frames.map(f => f.step), width: Math.max(260, Math.min(520, chart.clientWidth)), height: 240, cursor: true, axis: "losses: D solid, G dashed",
      lines: [{ name: "D", values: frames.map(f => f.loss_D), kind: "solid" }, { name: "G", values: frames.map(f => f.loss_G), kind: "dashed" }],
      levels: equilibrium ? [{ value: equilibrium.loss_D, name: `D: ${short(equilibrium.loss_D)}` }, { value: equilibrium.loss_G, name: `G: ${short(equilibrium.loss_G)}` }] : [],
    });
    chart.replaceChildren(lines, make("p", { class: "soft" }, equilibrium ? `Dotted: where the losses come to rest, ${equilibrium.words}.` : ""));
    for (const [i, { pick }] of thumbs.entries()) pick.setAttribute("aria-pressed", i === chosen);
    show();
  }
  function show() {
    const frame = frameOf(game.scenarios[chosen]);
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${frame.step}`);
    losses.replaceChildren(`step ${frame.step.toLocaleString("en")}: loss D `, make("b", null, short(frame.loss_D)), ", loss G ", make("b", null, short(frame.loss_G)),
      ", mean arrow ", make("b", null, meanArrow(frame).toFixed(2)), ", distance to the ring ", make("b", null, game.scenarios[chosen].distances[at].toFixed(2)));
    big.setAttribute("aria-label", `${game.scenarios[chosen].title}, step ${frame.step}: the plane with D's opinion, ${game.real.length / 2} real points and ${frame.fake.length / 2} points of G`);
    lines.moveTo(frame.step);
    drawScene(big, game, frame, true);
    for (const { canvas, scenario } of thumbs) drawScene(canvas, game, frameOf(scenario), false);
  }
  const legend = make("ul", { class: "legend" },
    [["real", "circles: real points"], ["fake", "squares: G's points, each with an arrow: the way D's gradient asks it to go"],
      ["even", "dashed line: D cannot decide, σ(D) = ½"], ["mesh", "thin net: what G makes of a square grid of z"]].map(([kind, text]) => make("li", { class: `key ${kind}` }, text)),
    make("li", { class: "key ground-real" }, "blue ground: D says real"), make("li", { class: "key ground-fake" }, "orange ground: D says made by G"));
  root.replaceChildren(
    make("p", { class: "about" }, game.about),
    make("div", { class: "bar" },
      make("div", { class: "buttons" }, button("↺ Rewind", () => { stop(); go(0); }, { id: "game-rewind" }), button(`◀ ${every} steps`, () => { stop(); go(at - 1); }, { id: "game-back", "aria-label": `${every} steps back` }), play, button(`${every} steps ▶`, () => { stop(); go(at + 1); }, { id: "game-next", "aria-label": `${every} steps on` })),
      slider, losses),
    make("div", { class: "game" },
      make("div", { class: "main-scene" }, big, legend),
      make("div", { class: "game-words" }, make("h2", { id: "game-title" }, "What happens"), words, chart, make("p", { class: "soft", id: "game-measure" }, game.measure)),
      make("div", { class: "thumbs" }, make("h2", null, "Side by side, at the same step"), make("div", { class: "thumb-grid" }, thumbs.map(t => t.pick)))));
  openScenario();
  return { open: openScenario, stop, get at() { return at; } };
}
