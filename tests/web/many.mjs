import { accessible, check, open, picture, run, wide } from "./browser.mjs";

await run(async (browser) => {
  const page = await open(browser);
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 300 && document.querySelectorAll(".segment").length === 6000, undefined, { timeout: 60_000 });
  await page.waitForSelector("#timeline svg .band");
  await page.waitForSelector(".traveller");
  check((await page.locator("h1").textContent()).startsWith("Moving 2 VMs; "), "what goes on is said first");
  const hottest = await page.locator(".host .value").allTextContents().then((all) => all.map((v) => parseInt(v, 10)));
  check(hottest.every((v, i) => i === 0 || v <= hottest[i - 1]), "the hottest stand first");
  await accessible(page, "300 hosts, light");
  await picture(page, "web-fleet");
  // An update must not hold up whoever types or scrolls. This is about the order
  // of magnitude; the machine may be busy with other things.
  const held = await page.evaluate(() => new Promise((done) => {
    let longest = 0;
    new PerformanceObserver((l) => { for (const e of l.getEntries()) longest = Math.max(longest, e.duration); }).observe({ type: "longtask" });
    setTimeout(() => done(longest), 6000);
  }));
  console.log(`     the longest task in 6 s took ${Math.round(held)} ms`);

  await page.locator("#filter").focus();
  await page.keyboard.type("rack03");
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 20);
  check((await page.locator("#more").textContent()).startsWith("20 of 300"), "the filter leaves one rack");
  await page.waitForSelector("#hosts.roomy");
  await page.locator("#filter").fill("stale");
  await page.waitForFunction(() => document.querySelectorAll(".host.stale").length === 1);
  check((await page.locator(".host").textContent()).includes("no news 73 s"), "a silent host says for how long");
  await page.locator("#filter").fill("");
  await page.locator("#sort").selectOption("name");
  await page.waitForFunction(() => document.querySelector(".host .label").textContent === "rack01-node01");
  await page.waitForFunction(() => document.querySelectorAll('#hosts [tabindex="0"]').length === 1);
  check(true, "the Tab key stops once at 6300 things");
  await page.locator('#hosts [tabindex="0"]').focus();
  for (const key of ["End", "ArrowUp", "ArrowRight", "ArrowRight", "Enter"]) await page.keyboard.press(key);
  await page.waitForFunction(() => document.activeElement.id === "detail-title");
  check(/^vm-298-\d$/.test(await page.locator("#detail-title").textContent()), "the keys lead to a VM of the last host but one");
  await accessible(page, "300 hosts, explanation");

  const dark = await open(browser, { dark: true, width: 1600, height: 1000 });
  await dark.waitForSelector(".traveller", { timeout: 60_000 });
  await dark.close();
  const narrow = await open(browser, { width: 360, height: 740 });
  await narrow.waitForSelector(".traveller", { timeout: 60_000 });
  check(!await wide(narrow), "nothing is wider than a small screen");
  await picture(narrow, "look-fleet-narrow");
});
