// The page's life: what is asked how often, who may change something, and what is said when the proxy is silent.

let rights = { may_change: false, login: false };
const mayChange = () => rights.may_change || credentials !== null;

const READINESS = { ready: ["✓ ready", "good"], read_only: ["! reads only", "warn"], no_member: ["✕ no member", "bad"], draining: ["◌ draining", "drain"] };

async function updateStatus() {
  let status;
  try {
    status = await ask("/api/v1/status");
  } catch (why) {
    const stale = byId("stale");
    stale.textContent = `The proxy does not answer (${why.message}). What is below is what it told last.`;
    stale.hidden = false;
    return;
  }
  byId("stale").hidden = true;
  const [word, colour] = READINESS[status.readiness] ?? [words(status.readiness), "off"];
  const readiness = byId("readiness");
  const text = status.reason ? `${word}: ${status.reason}` : word;
  if (readiness.textContent !== text) readiness.textContent = text;
  readiness.className = `state ${colour}`;
  byId("version").textContent = status.version;
  document.title = `${status.readiness === "ready" ? "" : "! "}mysql-proxy`;
  const total = showPicture(status);
  const figures = [["clients", count(status.clients)], ["statements/s", count(total ?? NaN)], ["members up", `${status.members.filter((member) => member.up).length} of ${status.members.length}`], ["up for", duration(status.uptime_seconds)]];
  byId("figures").replaceChildren(...figures.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
  showRights(status.admin);
  byId("reloads").textContent = status.reload ?? "";
}

function showRights(told) {
  rights = told ?? rights;
  byId("login").hidden = rights.may_change || !rights.login;
  byId("login").textContent = credentials ? "Log out" : "Log in";
  byId("rights").textContent = mayChange()
    ? "You may drain members and kill clients here."
    : rights.login
      ? "Read only: log in to drain members and to kill clients."
      : "Read only: this version of the proxy shows and changes nothing here.";
}

/// Asks whether it is meant, and does it.
async function act(title, text, path) {
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = title.split(" ")[0];
  const dialog = byId("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await ask(path, "POST");
  } catch (why) {
    if (why.status === 401) remember(null);
    const stale = byId("stale");
    stale.textContent = `Not done: ${why.message}`;
    stale.hidden = false;
  }
  await Promise.allSettled([updateStatus(), updateClients(), updateEvents()]);
}

function themes() {
  const order = ["", "light", "dark"], names = { "": "as the system has them", light: "light", dark: "dark" };
  const button = byId("theme");
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.setAttribute("aria-label", `Colours: ${names[theme]}`);
    localStorage.setItem("mysql-proxy-theme", theme);
  };
  apply(localStorage.getItem("mysql-proxy-theme") ?? "");
  button.addEventListener("click", () => apply(order[(order.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3]));
}

function logins() {
  const dialog = byId("login-dialog");
  byId("login").addEventListener("click", () => {
    if (!credentials) return dialog.showModal();
    remember(null);
    updateStatus();
  });
  byId("login-cancel").addEventListener("click", () => dialog.close());
  byId("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const login = encoded(byId("login-user").value, byId("login-password").value);
    try {
      await ask("/api/v1/login", "POST", login);
      remember(login);
      byId("login-problem").textContent = "";
      byId("login-password").value = "";
      dialog.close();
      await Promise.allSettled([updateStatus(), updateClients()]);
    } catch (why) {
      byId("login-problem").textContent = why.status === 401 ? "That is not the account's password." : why.message;
    }
  });
}

/// Only what is looked at is asked for.
const isVisible = (id) => {
  const box = byId(id).getBoundingClientRect();
  return box.bottom > -200 && box.top < innerHeight + 200;
};

themes();
logins();
let filtered;
byId("filter").addEventListener("input", () => {
  clearTimeout(filtered);
  filtered = setTimeout(() => updateClients().catch(console.warn), 200);
});
addEventListener("resize", () => connect(byId("picture")));
keepAsking(1000, updateStatus);
keepAsking(5000, updateCharts);
// A proxy that does not tell of these yet has no place for them.
for (const [path, id] of [["/api/v1/clients?limit=0", "clients"], ["/api/v1/events", "events"]])
  ask(path).catch((why) => { if (why.status === 404) byId(id).closest("section").hidden = true; });
const isThere = (id) => !byId(id).closest("section").hidden;
keepAsking(2000, updateEvents, () => isThere("events"));
keepAsking(2000, updateClients, () => isThere("clients") && isVisible("clients") && !byId("clients").contains(document.activeElement));
document.querySelector("details").addEventListener("toggle", (event) => event.target.open && updateConfiguration().catch(console.warn));
