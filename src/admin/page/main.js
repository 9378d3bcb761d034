// The page's life: what is asked how often, and what is said when the proxy is silent.

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

themes();
addEventListener("resize", () => connect(byId("picture")));
keepAsking(1000, updateStatus);
keepAsking(5000, updateCharts);
document.querySelector("details").addEventListener("toggle", (event) => event.target.open && updateConfiguration().catch(console.warn));
