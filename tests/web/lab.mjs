import { accessible, call, check, open, picture, run, wide } from "./browser.mjs";

// on reads which VMs are drawn into the bar of a host.
const on = (page, host) => page.evaluate((name) => {
  const row = [...document.querySelectorAll(".host")].find((h) => h.querySelector(".label").textContent === name);
  return [...row.querySelectorAll(".segment .who")].map((s) => s.textContent);
}, host);

// watch notes, at every change of the page, how far the segment of a move has
// come: the share copied, and its place.
const watch = (page) => page.evaluate(() => {
  globalThis.seen = [];
  new MutationObserver(() => {
    const e = document.querySelector(".traveller");
    if (!e) return;
    const [, y] = /translate\(.*px, (.*)px\)/.exec(e.style.transform) ?? [];
    const now = { name: e.firstChild.textContent, done: parseFloat(e.lastChild.textContent), y: Number(y) };
    const last = globalThis.seen.at(-1);
    if (now.name && e.lastChild.textContent && (last?.done !== now.done || last?.y !== now.y)) globalThis.seen.push(now);
  }).observe(document.querySelector("#travellers"), { subtree: true, childList: true, attributes: true, characterData: true });
});

await run(async (browser) => {
  const page = await open(browser);
  await page.locator("#sort").selectOption("name"); // the bars stay where they are
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 2 && document.querySelectorAll(".segment").length === 2, undefined, { timeout: 30_000 });
  check((await on(page, "h1")).toSorted().join() === "stayer,traveller" && (await on(page, "h2")).length === 0, "both guests are shown on h1");
  await watch(page);
  await call("move");

  await page.waitForSelector(".traveller", { timeout: 60_000 });
  check((await page.locator("h1").textContent()).startsWith("Moving traveller from h1 to h2"), "the move is told in words");
  await page.waitForFunction(() => globalThis.seen.at(-1)?.done >= 30, undefined, { timeout: 60_000 });
  await picture(page, "look-lab");
  await page.waitForFunction(() => [...document.querySelectorAll("#log .entry.succeeded")].some((e) => e.textContent.includes("Moved traveller from h1 to h2")), undefined, { timeout: 90_000 });
  const seen = await page.evaluate(() => globalThis.seen);
  console.log(`     ${seen.map((s) => `${s.done} % at ${s.y}`).join(", ")}`);
  // What the guest writes meanwhile is copied again: a small step back is right.
  const advances = seen.every((s, i) => i === 0 || s.done >= seen[i - 1].done - 5);
  check(seen.every((s) => s.name === "traveller") && new Set(seen.map((s) => s.done)).size >= 3 && advances, "its segment told how far it had come, again and again");
  check(seen.at(-1).done > seen[0].done && seen.at(-1).y > seen[0].y, "and travelled from bar to bar");
  await page.waitForFunction(() => !document.querySelector(".traveller") && [...document.querySelectorAll(".host")][1].querySelectorAll(".segment").length === 1, undefined, { timeout: 30_000 });
  check((await on(page, "h1")).join() === "stayer" && (await on(page, "h2")).join() === "traveller", "it has arrived on h2");
  await accessible(page, "lab, afterwards");
  check(!await wide(page), "nothing is wider than the screen");
});
