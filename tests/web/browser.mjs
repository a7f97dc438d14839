// What the scripts have in common: a browser that notes what is wrong.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const [url] = process.argv.slice(2);
const faults = [];
let expected = () => false;

export const check = (ok, what) => {
  if (!ok) faults.push(what);
  console.log(`${ok ? "ok  " : "FAIL"} ${what}`);
};

// call has the test do something, and waits until it is done.
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export async function call(name) {
  console.log(`call ${name}`);
  await answers.next();
}

// expect says which complaints of the browser's console are right from now on.
export const expect = (pattern) => { expected = (text) => pattern.test(text); };

// open opens the page in a window of its own.
export async function open(browser, { dark = false, width = 1280, height = 860, reduced = false, hash = "" } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: reduced ? "reduce" : "no-preference",
  });
  // The checker is put into the page past its own policy, which stays in force.
  const page = await context.newPage();
  page.on("console", (m) => {
    if (["error", "warning"].includes(m.type()) && !expected(m.text())) faults.push(`console: ${m.text()}`);
  });
  page.on("pageerror", (e) => faults.push(`page: ${e.message}`));
  page.on("request", (r) => {
    if (!r.url().startsWith(url)) faults.push(`a request elsewhere: ${r.url()}`);
    if (r.method() !== "GET") faults.push(`a request that may change something: ${r.method()} ${r.url()}`);
  });
  await page.goto(url + hash);
  return page;
}

// accessible has axe look at the page.
export async function accessible(page, where) {
  await page.evaluate(`${axe}; null`);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of found.violations) {
    faults.push(`axe, ${where}: ${v.id}: ${v.help}`);
    for (const n of v.nodes.slice(0, 4)) console.log(`     ${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary?.split("\n").slice(1, 3).join(" ")}`);
  }
  console.log(`axe, ${where}: ${found.violations.length} violations, ${found.passes.length} rules passed`);
}

export const picture = (page, name, options = {}) => page.screenshot({ path: `${process.env.PICTURES}/${name}.png`, ...options });

// wide reports whether the page is wider than the screen.
export const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

// run runs a script in a browser, and exits as it went.
export async function run(script) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    await script(browser);
  } catch (e) {
    faults.push(e.stack);
  } finally {
    await browser.close();
  }
  for (const f of faults) console.log(`FAULT ${f}`);
  process.exit(faults.length ? 1 : 0);
}
