// A line chart as SVG; lines differ by their dashes and are named at their ends.

function lineChart({ label, x, lines, levels = [], axis, width, height, cursor = false }) {
  const left = 40, right = width - 62, top = 14, bottom = height - 20;
  const all = [...lines.flatMap(l => l.values), ...levels.map(l => l.value)].filter(Number.isFinite);
  const low = Math.min(0, ...all), high = Math.max(...all, low + 1e-9);
  const px = v => left + ((v - x[0]) / Math.max(1e-9, x.at(-1) - x[0])) * (right - left);
  const py = v => bottom - ((v - low) / (high - low)) * (bottom - top);
  const svg = draw("svg", { class: "chart", width, height, role: "img", "aria-label": label });
  for (const value of [low, (low + high) / 2, high])
    svg.append(draw("path", { class: "grid", d: `M${left} ${py(value)}H${right}` }), draw("text", { x: left - 4, y: py(value) + 4, "text-anchor": "end" }, short(value)));
  svg.append(draw("text", { x: left, y: height - 5 }, `step ${x[0]}`), draw("text", { x: right, y: height - 5, "text-anchor": "end" }, x.at(-1).toLocaleString("en")));
  if (axis) svg.append(draw("text", { x: left, y: 10 }, axis));
  for (const { value, name } of levels)
    svg.append(draw("path", { class: "level", d: `M${left} ${py(value)}H${right}` }), draw("text", { x: right + 4, y: py(value) + 4, class: "soft-text" }, name));
  const ends = lines.map(line => ({ line, y: py(line.values.findLast(Number.isFinite) ?? low) })).sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => { end.y = Math.max(end.y, i ? ends[i - 1].y + 13 : 0); });
  for (const { line, y } of ends) {
    let pen = "M";
    const d = line.values.map((v, i) => {
      if (!Number.isFinite(v)) { pen = "M"; return ""; }
      const piece = `${pen}${px(x[i]).toFixed(1)} ${py(v).toFixed(1)}`;
      pen = "L";
      return piece;
    }).join("");
    svg.append(draw("path", { class: `line ${line.kind}`, d }));
    if (!levels.length) svg.append(draw("text", { x: right + 4, y: y + 4, class: "line-name" }, line.name));
  }
  if (cursor) {
    const line = draw("path", { class: "cursor", d: "" });
    svg.append(line);
    svg.moveTo = v => line.setAttribute("d", `M${px(v)} ${top}V${bottom}`);
  }
  return svg;
}
