// Looks at the page as a person does: reads commands from its standard input, a line each, and answers each with a line.
//   open URL · size WIDTH HEIGHT light|dark · member NAME STATE MILLISECONDS · text SELECTOR · click SELECTOR · wait SELECTOR MILLISECONDS
//   axe · shot FILE · problems
const path = require("path");
const modules = path.join(process.env.PAGE, "node_modules");
const { chromium } = require(path.join(modules, "playwright-core"));
const axe = path.join(modules, "axe-core", "axe.min.js");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let page, context, browser;
const problems = [];
const SERIOUS = ["serious", "critical"];

async function open(url, width = 1600, height = 1000, colorScheme = "light") {
  await context?.close();
  context = await browser.newContext({ viewport: { width: Number(width), height: Number(height) }, colorScheme });
  page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (why) => problems.push(String(why)));
  page.on("request", (request) => request.url().startsWith(new URL(url).origin) || request.url().startsWith("data:") || problems.push(`outside: ${request.url()}`));
  await page.goto(url);
}

const COMMANDS = {
  open,
  size: (width, height, scheme) => open(page.url(), width, height, scheme),
  member: async (name, state, limit) => {
    const begun = Date.now();
    await page.waitForSelector(`[data-member="${name}"][data-state="${state}"]`, { timeout: Number(limit) });
    return Date.now() - begun;
  },
  wait: (...words) => page.waitForSelector(words.slice(0, -1).join(" "), { timeout: Number(words.at(-1)) }).then(() => "there"),
  text: async (...selector) => (await page.locator(selector.join(" ")).first().innerText()).replaceAll("\n", " | "),
  click: (...selector) => page.locator(selector.join(" ")).first().click({ timeout: 5000 }),
  axe: async () => {
    await page.addScriptTag({ path: axe });
    const { violations } = await page.evaluate(() => axe.run());
    return JSON.stringify(violations.filter((it) => SERIOUS.includes(it.impact)).map((it) => [it.id, it.nodes[0].target, it.help]));
  },
  shot: (file) => page.screenshot({ path: file, fullPage: true }).then(() => file),
  problems: () => JSON.stringify(problems),
};

(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(" ");
    try {
      console.log(`ok ${(await COMMANDS[command](...words)) ?? ""}`);
    } catch (why) {
      console.log(`error ${String(why).replaceAll("\n", " | ")}`);
    }
  }
  await browser.close();
})();
