// What the proxy tells, and what may be asked of it. Everything that is shown comes from here.

const PATIENCE = 4000;
let credentials = sessionStorage.getItem("mysql-proxy-login");

class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, method = "GET", as = credentials) {
  const headers = method === "POST" && as ? { Authorization: `Basic ${as}` } : {};
  const reply = await fetch(path, { method, headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
  const text = await reply.text();
  if (!reply.ok) throw new Refused(reply.status, text.trim() || `HTTP ${reply.status}`);
  return text && reply.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
}

/// Asks at once and again after each so many milliseconds, while somebody looks; never twice at a time.
function keepAsking(every, task, isWanted = () => true) {
  const turn = async () => {
    if (!document.hidden && isWanted()) await task().catch((why) => console.warn(why));
    setTimeout(turn, every);
  };
  turn();
}

/// Bytes of UTF-8 as HTTP's basic scheme has them.
const encoded = (user, password) => btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password}`)));
const remember = (login) => {
  credentials = login;
  if (login) sessionStorage.setItem("mysql-proxy-login", login);
  else sessionStorage.removeItem("mysql-proxy-login");
};
