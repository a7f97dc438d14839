import { accessible, call, check, expect, open, picture, run, wide } from "./browser.mjs";

await run(async (browser) => {
  const page = await open(browser);
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 3 && document.querySelectorAll(".segment").length === 15);
  check(await page.locator("h1").textContent() === "Nothing to do: all hosts are below their high mark", "a calm fleet is called calm");
  const names = await page.locator(".host .label").allTextContents();
  check(names.toSorted().join() === "h1,h2,h3", `three hosts: ${names}`);
  const sum = await page.locator(".host").first().evaluate((row) => {
    const bar = row.querySelector(".bar").getBoundingClientRect().width;
    const used = [...row.querySelectorAll(".segment, .rest")].reduce((s, e) => s + e.getBoundingClientRect().width, 0);
    return Math.abs(used / bar * 100 - parseFloat(row.querySelector(".value").textContent));
  });
  check(sum < 2, `the segments are as long together as the host's use (${sum.toFixed(2)} % off)`);
  await page.waitForSelector("#timeline svg");
  check(/^(Room for \d+ more VMs?|No room for a VM) of .* CPU and .*Without /.test(await page.locator("#room").textContent()), `the room in the fleet is told: ${await page.locator("#room").textContent()}`);
  await accessible(page, "calm, light");
  await picture(page, "look-calm");

  // By keyboard alone.
  await page.locator("#measure").focus();
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim());
  check((await focused()).endsWith("Explain."), `Tab leads to the hosts: ${await focused()}`);
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Home");
  const first = await focused();
  await page.keyboard.press("ArrowRight");
  const vm = await focused();
  check(vm !== first && vm.includes("% of h"), `→ leads to its first VM: ${vm}`);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#detail:not([hidden])");
  await page.waitForFunction(() => document.activeElement.id === "detail-title");
  const detail = await page.locator("#detail").textContent();
  check(/Runs on/.test(detail) && /Where it could go/.test(detail), "Enter explains the VM");
  await accessible(page, "explanation, light");
  await page.keyboard.press("Escape");
  check(await page.locator("#detail").isHidden() && await focused() === vm, `Esc leads back: ${await focused()}`);
  await page.keyboard.press("/");
  await page.keyboard.type("shop");
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 1 && document.querySelectorAll(".segment.found").length === 2);
  await page.locator("#filter").fill("nobody");
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 0);
  check((await page.locator("#more").textContent()).includes("No host and no VM matches"), "nothing found is said");
  await page.locator("#filter").fill("");

  const dark = await open(browser, { dark: true });
  const narrow = await open(browser, { width: 360, height: 740 });
  const still = await open(browser, { reduced: true, width: 800 });

  await page.waitForSelector(".host.over", { timeout: 60_000 });
  check((await page.locator(".host.over .name").textContent()).includes("over its high mark"), "the overload is said, not only coloured");
  check(/the largest shop-(web|db) \(\d+ %\) and /.test(await page.locator(".host.over .why").textContent()), "and so is who makes the host hot");

  await page.waitForSelector(".traveller", { timeout: 90_000 });
  const [domain, from] = await page.evaluate(() => {
    const s = document.querySelector(".segment.moving");
    return [s.textContent, s.closest("li").querySelector(".label").textContent];
  });
  check(from === "h1", `${domain} moves away from ${from}`);
  check(await page.locator(".notice.moving").textContent().then((t) => t.includes(domain)), "the move is told in words");
  const place = () => page.locator(".traveller").evaluate((e) => new DOMMatrix(getComputedStyle(e).transform).f);
  const progress = () => page.locator(".notice.moving progress").evaluate((e) => e.value);
  const [y1, p1] = [await place(), await progress()];
  await page.waitForFunction((p) => (document.querySelector(".notice.moving progress")?.value ?? 1) > Math.max(p + 0.15, 0.3), p1);
  check(await place() !== y1, "its segment travels");
  // Everybody looks at the same migration.
  await page.locator(`.segment.moving`).click();
  await page.waitForSelector("#detail:not([hidden])");
  await page.waitForFunction(() => /h1from \d\d % to \d\d % CPU, as predictedh3/.test(document.querySelector("#detail").textContent));
  await page.evaluate(() => scrollTo(0, 0));
  // The explanation has taken room from the bars; the segment glides to its new size.
  await page.waitForFunction(() => [...document.querySelectorAll(".traveller")].every((e) => Math.abs(e.getBoundingClientRect().width - parseFloat(e.style.width)) < 4));
  await picture(page, "web-migration");
  await picture(dark, "web-dark");
  await picture(narrow, "web-narrow");
  check(await still.evaluate(() => getComputedStyle(document.querySelector(".traveller")).transitionDuration) === "0s", "with reduced motion nothing glides");
  await accessible(page, "migration, light");
  await accessible(dark, "migration, dark");
  await accessible(narrow, "migration, narrow");
  check(!await wide(narrow) && !await wide(page), "nothing is wider than the screen");
  await page.locator(".close").click();

  await page.waitForFunction((d) => [...document.querySelectorAll("#log .entry.succeeded")].some((e) => e.textContent.includes(`Moved ${d}`)), domain, { timeout: 60_000 });
  await page.waitForFunction((d) => [...document.querySelectorAll(".host")].find((h) => h.querySelector(".label").textContent === "h3")?.textContent.includes(d), domain);
  check(true, `${domain} is shown on h3 then`);
  await page.waitForFunction(() => document.querySelector("#timeline .move"));
  await page.waitForFunction(() => /^\d+ s later: improved; the busier host is \d+ points below what it would have been at\.$/.test(document.querySelector("#log .entry.succeeded .found").textContent), undefined, { timeout: 60_000 });
  check(true, "what an audit has found is told");
  await page.locator("#log details summary").first().click();
  check((await page.locator("#log details[open] table").first().textContent()).includes("the domain holds a device of this host"), "why not the others stands in a table");
  await page.waitForFunction(() => document.querySelector("h1.calm"), undefined, { timeout: 60_000 });
  await accessible(page, "afterwards, light");
  // h3 serves the page, and h1 knows what a drain of it would do.
  const h1 = page.locator(".host").filter({ has: page.locator(".label", { hasText: /^h1$/ }) });
  await h1.locator(".name").click();
  await page.waitForFunction(() => /Were it drained, (no|\d) VMs? would leave, and \d could not\./.test(document.querySelector("#detail").textContent));
  check(/Could not leave.*render-gpu.*the domain holds a device of this host/.test(await page.locator("#detail").textContent()), "what a drain would do is told, and who could not leave");
  await accessible(page, "a host, light");
  await picture(page, "look-host");
  await page.keyboard.press("Escape");
  await picture(page, "look-log", { fullPage: true });
  await narrow.locator("#log .link").first().click();
  await narrow.waitForSelector("#detail:not([hidden])");
  await accessible(narrow, "explanation, narrow");
  await picture(narrow, "look-narrow-explain");
  await narrow.close();
  await dark.close();
  await still.close();

  expect(/ERR_CONNECTION_REFUSED|Failed to load resource|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
  await call("kill");
  await page.waitForFunction(() => /No answer from the daemon since [3-9] s/.test(document.querySelector("#problem").textContent), undefined, { timeout: 20_000 });
  await accessible(page, "daemon gone");
  await picture(page, "web-lost");
});
