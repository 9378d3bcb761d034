// Lines over the last quarter of an hour.

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
const DASHES = ["", "6 4", "2 3"];
const HIGH = 130, LEFT = 46, BOTTOM = 16, TOP = 8;
const SPAN = 15 * 60 * 1000, GAP = 15000;
const MOST_LINES = 6;

/// 1, 2 or 5 times a power of ten that is not below.
function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/// The greatest lines by name, and the rest added up.
function greatest(samples, valuesOf) {
  const sums = new Map();
  for (const sample of samples) for (const [name, value] of Object.entries(valuesOf(sample))) sums.set(name, (sums.get(name) ?? 0) + value);
  const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const shown = names.length > MOST_LINES ? names.slice(0, MOST_LINES - 1) : names;
  const lines = shown.sort().map((name) => ({ name: words(name), of: (sample) => valuesOf(sample)[name] ?? 0 }));
  if (names.length > MOST_LINES) {
    const others = names.filter((name) => !shown.includes(name));
    lines.push({ name: `${others.length} others`, of: (sample) => others.reduce((sum, name) => sum + (valuesOf(sample)[name] ?? 0), 0) });
  }
  return lines;
}

function path(samples, of, x, y) {
  let d = "", last = null;
  for (const sample of samples) {
    const value = of(sample);
    if (value === null || value === undefined) { last = null; continue; }
    // One sample alone is a dot.
    d += last !== null && sample.at - last < GAP ? `L${x(sample.at).toFixed(1)} ${y(value).toFixed(1)}` : `M${x(sample.at).toFixed(1)} ${y(value).toFixed(1)}h.01`;
    last = sample.at;
  }
  return d;
}

/// `lines`: name and a function from a sample to its value.
function chart(figure, title, samples, lines, show) {
  const wide = Math.max(200, figure.clientWidth - 24);
  const now = Date.now();
  const until = Math.max(now, samples.at(-1)?.at ?? now);
  const top = roundUp(Math.max(0, ...samples.flatMap((sample) => lines.map((line) => line.of(sample) ?? 0))));
  const x = (at) => LEFT + ((at - (until - SPAN)) / SPAN) * (wide - LEFT - 4);
  const y = (value) => TOP + (1 - value / top) * (HIGH - TOP - BOTTOM);
  const drawing = svg("svg", { viewBox: `0 0 ${wide} ${HIGH}`, "aria-hidden": "true" });
  for (const part of [0, 0.5, 1]) {
    drawing.append(svg("line", { class: "grid", x1: LEFT, x2: wide - 4, y1: y(top * part), y2: y(top * part) }));
    const label = svg("text", { x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" });
    label.textContent = show(top * part);
    drawing.append(label);
  }
  for (const minutes of [15, 10, 5, 0]) {
    const label = svg("text", { x: x(until - minutes * 60000), y: HIGH - 3, "text-anchor": minutes === 15 ? "start" : minutes === 0 ? "end" : "middle" });
    label.textContent = minutes === 0 ? "now" : `−${minutes} min`;
    drawing.append(label);
  }
  const legend = el("ul", { class: "legend" });
  const last = samples.at(-1);
  const told = [];
  lines.forEach((line, at) => {
    const colour = `var(${COLOURS[at % COLOURS.length]})`;
    const dash = at % DASHES.length;
    const drawn = svg("path", { d: path(samples, line.of, x, y) || "M0 0", style: `stroke:${colour}`, "stroke-dasharray": DASHES[dash] || "none" });
    drawing.append(drawn);
    const value = last ? show(line.of(last) ?? NaN) : "–";
    told.push(`${line.name} ${value}`);
    const key = el("i", { "aria-hidden": "true" });
    key.style.borderColor = colour;
    legend.append(el("li", { class: dash ? `dash${dash}` : "" }, key, `${line.name} ${value}`));
  });
  const peak = lines.length ? `at most ${show(Math.max(0, ...samples.flatMap((sample) => lines.map((line) => line.of(sample) ?? 0))))}` : "";
  figure.replaceChildren(el("figcaption", {}, title, el("span", { text: peak })), drawing, lines.length ? legend : el("p", { class: "off", text: "nothing yet" }));
  figure.setAttribute("aria-label", `${title}: ${told.join(", ") || "nothing yet"}; ${peak}`);
}

const samples = [];
const FIGURES = [
  ["Statements a second, by target", (all) => greatest(all, (it) => sums(it.queries)), count],
  ["Statements a second, by reason", (all) => greatest(all, (it) => reasons(it.queries)), count],
  ["Time of statements", () => [["half", 0], ["95 %", 1], ["99 %", 2]].map(([name, at]) => ({ name, of: (it) => it.latency?.[at] })), seconds],
  ["Replicas behind", (all) => greatest(all, (it) => it.lag), seconds],
  ["Connections", () => [["clients", "clients"], ["to members, used", "in_use"], ["to members, idle", "idle"]].map(([name, key]) => ({ name, of: (it) => it[key] })), count],
  ["Waiting", () => [{ name: "statements for a member", of: (it) => it.held }, { name: "reads a second for a replica", of: (it) => it.causal_waits }], count],
];
const sums = (queries) => Object.fromEntries(Object.entries(queries).map(([target, by]) => [target, Object.values(by).reduce((a, b) => a + b, 0)]));
const reasons = (queries) => {
  const by = {};
  for (const each of Object.values(queries)) for (const [reason, rate] of Object.entries(each)) by[reason] = (by[reason] ?? 0) + rate;
  return by;
};

async function updateCharts() {
  samples.push(...(await ask(`/api/v1/history?since=${samples.at(-1)?.at ?? 0}`)));
  while (samples.length > 400 || (samples.length && samples[0].at < Date.now() - SPAN)) samples.shift();
  const place = byId("charts");
  while (place.children.length < FIGURES.length) place.append(el("figure"));
  FIGURES.forEach(([title, lines, show], at) => chart(place.children[at], title, samples, lines(samples), show));
}
