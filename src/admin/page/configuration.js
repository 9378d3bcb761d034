// The configuration in force, a line for each key.

function flatten(value, path = "") {
  if (Array.isArray(value) && value.every((each) => each === null || typeof each !== "object")) return [[path, JSON.stringify(value)]];
  if (value !== null && typeof value === "object") return Object.entries(value).flatMap(([key, each]) => flatten(each, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key));
  return [[path, JSON.stringify(value)]];
}

async function updateConfiguration() {
  const rows = flatten(await ask("/api/v1/config"));
  byId("configuration").replaceChildren(el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "key" }), el("th", { scope: "col", text: "value" }))),
    el("tbody", {}, ...rows.map(([key, value]) => el("tr", {}, el("td", {}, el("code", { text: key })), el("td", { class: "wrap" }, el("code", { text: value }))))));
}
