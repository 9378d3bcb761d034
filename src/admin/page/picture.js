// The cluster: who is there, who serves, and what goes where.

/// So many replicas have a line each.
const FEW = 5;
/// The name of all members together, which no member has.
const ALL = "";
/// The look before: when it was, and how many statements each had then.
let before = { at: 0, totals: new Map() };

/// Statements a second since the look before, by name; nothing for who was not there or has begun anew.
function ratesSince(totals) {
  const now = performance.now();
  const since = (now - before.at) / 1000;
  const rates = new Map();
  for (const [name, total] of totals) {
    const had = before.totals.get(name);
    if (had !== undefined && total >= had) rates.set(name, (total - had) / since);
  }
  before = { at: now, totals };
  return rates;
}

/// A sign, a word and a colour, so that none of them is needed alone.
function flag(member) {
  if (!member.up) return ["✕", "down", "bad"];
  if (member.problem) return ["!", "problem", "warn"];
  if (member.role === "primary" || member.serves_reads) return ["✓", "serves", "good"];
  return ["–", words(member.reason) || "serves no reads", "warn"];
}

function memberCard(member, queries) {
  const [sign, word, colour] = flag(member);
  const card = el("article", { class: `card ${member.role} ${member.up ? "" : "down"}`, "data-member": member.name, "data-state": word },
    el("span", { class: `flag ${colour}` }, `${sign} ${word}`),
    el("h3", { text: member.name }),
    el("span", { class: "role", text: words(member.role) }));
  const facts = [`${count(queries)} statements/s`, `${member.in_use} used, ${member.idle} idle`];
  if (member.role !== "primary" && member.lag_seconds !== null) facts.push(`${seconds(member.lag_seconds)} behind`);
  card.append(el("p", { text: facts.join(" · ") }));
  if (member.problem) card.append(el("p", { class: "problem", text: member.problem }));
  if (member.remark) card.append(el("p", { class: "remark", text: member.remark }));
  return card;
}

/// A line to each member, or to all replicas together where they are many; as wide as what goes along it.
function connect(picture) {
  const lines = picture.querySelector("svg");
  const proxy = picture.querySelector(".card.proxy")?.getBoundingClientRect();
  if (!proxy || getComputedStyle(lines).display === "none") return;
  const box = picture.getBoundingClientRect();
  const many = picture.querySelector(".replicas.many");
  const ends = [...picture.querySelectorAll(many ? ".primaries [data-member]" : "[data-member]")];
  if (many) ends.push(many);
  lines.replaceChildren(...ends.map((end) => {
    const to = end.getBoundingClientRect();
    const [x1, y1, x2, y2] = [proxy.right - box.left, proxy.top + proxy.height / 2 - box.top, to.left - box.left, to.top + to.height / 2 - box.top];
    const serves = end === many || ["serves", "problem"].includes(end.dataset.state);
    const wide = serves ? 1.5 + Math.min(7, Math.log10(1 + Number(end.dataset.rate || 0)) * 1.8) : 1.5;
    const colour = !serves ? "--soft" : end.classList.contains("primary") ? "--primary" : "--replica";
    return svg("path", { d: `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`, style: `fill:none;stroke:var(${colour});stroke-width:${wide}`, "stroke-dasharray": serves ? "none" : "4 5", opacity: 0.6 });
  }));
}

function showPicture(status) {
  const rates = ratesSince(new Map([[ALL, status.queries.total], ...status.members.map((member) => [member.name, member.queries])]));
  const total = rates.get(ALL);
  const cards = status.members.map((member) => {
    const queries = rates.get(member.name);
    const card = memberCard(member, queries ?? NaN);
    card.dataset.rate = queries ?? 0;
    return [member, card];
  });
  const primaries = cards.filter(([member]) => member.role === "primary").map(([, card]) => card);
  const others = cards.filter(([member]) => member.role !== "primary").map(([, card]) => card);
  if (!primaries.length) primaries.push(el("article", { class: "card down" }, el("span", { class: "flag bad" }, "✕ missing"), el("h3", { text: "No primary" }), el("p", { class: "problem", text: status.reason ?? "Writes wait for one." })));
  const proxy = el("article", { class: "card proxy" }, el("h3", { text: "this proxy" }), el("span", { class: "role", text: words(status.readiness) }),
    el("p", { text: `${count(status.clients)} ${status.clients === 1 ? "client" : "clients"} · ${count(total ?? NaN)} statements/s` }));
  const picture = byId("picture");
  const replicas = el("div", { class: others.length > FEW ? "replicas many" : "replicas" }, ...others);
  replicas.dataset.rate = others.reduce((sum, card) => sum + Number(card.dataset.rate), 0);
  picture.replaceChildren(svg("svg", { "aria-hidden": "true" }), proxy, el("div", { class: "members" }, el("div", { class: "primaries" }, ...primaries), replicas));
  requestAnimationFrame(() => connect(picture));
  return total;
}
