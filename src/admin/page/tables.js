// Clients, events and the configuration.

const SHOWN = 200;

function clientRow(client) {
  const pins = client.pins ?? [];
  const pinned = pins.map((pin) => (typeof pin === "string" ? words(pin) : `${words(pin.reason)}${pin.advice ? `: ${pin.advice}` : ""}`)).join("; ");
  const where = client.member ? `${client.member}` : "";
  const kill = mayChange()
    ? el("button", { class: "small danger", type: "button", "aria-label": `Kill client ${client.id}`, onclick: () => act(`Kill client ${client.id}?`, `${client.user} from ${client.address}: its connection is closed, and an open transaction is rolled back.`, `/api/v1/clients/${client.id}/kill`) }, "Kill")
    : null;
  const cells = [["id", client.id, "number"], ["user", client.user], ["address", client.address], ["database", client.database ?? ""], ["state", words(client.state)],
    ["since", duration(client.since_seconds)], ["statements", count(client.statements), "number"], ["where", where], ["pins", pinned, "wrap"]];
  const row = el("tr", { "data-client": client.id }, ...cells.map(([name, text, kind]) => el("td", { class: kind, "data-name": name }, el("span", { text }))));
  if (kill) row.append(el("td", { "data-name": "" }, kill));
  return row;
}

const CLIENT_HEAD = [["id", "number"], ["user"], ["address"], ["database"], ["state"], ["since"], ["statements", "number"], ["where"], ["pins, and what avoids them"]];

async function updateClients() {
  const wanted = byId("filter").value.trim();
  const told = await ask(`/api/v1/clients?limit=${SHOWN}&filter=${encodeURIComponent(wanted)}`);
  const clients = Array.isArray(told) ? told : told.clients;
  const total = told.total ?? clients.length;
  const table = byId("clients");
  table.className = "clients-table";
  const focused = document.activeElement?.getAttribute("aria-label");
  const head = el("tr", {}, ...CLIENT_HEAD.map(([name, kind]) => el("th", { scope: "col", class: kind, text: name })));
  if (mayChange()) head.append(el("th", { scope: "col", text: "end" }));
  table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...clients.slice(0, SHOWN).map(clientRow)));
  if (focused?.startsWith("Kill client")) table.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  byId("clients-count").textContent = clients.length < total ? `${clients.length} of ${total} are shown; the filter finds others` : `${total} ${wanted ? "found" : "connected"}`;
}

async function updateEvents() {
  const told = await ask("/api/v1/events");
  const events = (Array.isArray(told) ? told : told.events).slice(-200).reverse();
  byId("events").replaceChildren(...events.map((event) => el("li", {},
    el("time", { datetime: new Date(event.at).toISOString(), title: new Date(event.at).toLocaleString() }, clock(event.at)),
    el("b", { class: event.level === "warn" ? "warn" : event.level === "error" ? "bad" : "off", text: words(event.kind) }),
    el("span", { text: [event.member, event.text].filter(Boolean).join(": ") }))));
  if (!events.length) byId("events").append(el("li", { class: "off", text: "none since the start" }));
}

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
