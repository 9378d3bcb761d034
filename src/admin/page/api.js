// What the proxy tells. Everything that is shown comes from here.

const PATIENCE = 4000;

async function ask(path) {
  const reply = await fetch(path, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
  if (!reply.ok) throw new Error((await reply.text()).trim() || `HTTP ${reply.status}`);
  return reply.json();
}

/// Asks at once and again after each so many milliseconds, while somebody looks; never twice at a time.
function keepAsking(every, task) {
  const turn = async () => {
    if (!document.hidden) await task().catch((why) => console.warn(why));
    setTimeout(turn, every);
  };
  turn();
}
