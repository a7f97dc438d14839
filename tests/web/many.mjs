import { accessible, check, open, picture, run, wide } from "./browser.mjs";

await run(async (browser) => {
  const page = await open(browser);
  await page.waitForFunction(() => document.querySelectorAll(".host").length === 300 && document.querySelectorAll(".segment").length === 6000, undefined, { timeout: 60_000 });
  await page.waitForSelector("#timeline svg .band");
  await page.waitForSelector(".traveller");
  check((await page.locator("h1").textContent()).startsWith("Moving 2 VMs; "), "what goes on is said first");
  const sorted = (loads) => loads.every((v, i) => i === 0 || v <= loads[i - 1]);
  const loads = (which) => page.locator(`.host.${which} .value`).allTextContents().then((all) => all.map((v) => parseInt(v, 10)));
  check(sorted(await loads("slim")), "the hottest stand first");
  const full = await page.locator(".host.full").evaluateAll((rows) => rows.map((r) => ({
    name: r.querySelector(".label").textContent, over: r.classList.contains("over"), text: r.textContent,
  })));
  const firstSlim = await page.locator(".host").evaluateAll((rows) => rows.findIndex((r) => r.classList.contains("slim")));
  check(full.length === firstSlim && full.length < 20, `${full.length} hosts that stand out have more room than a line, and stand before the others`);
  check(full.filter((h) => h.over).every((h) => /the largest vm-\d+-0 \(\d+ %\)/.test(h.text)), "an overloaded host says which VM uses most");
  check(["rack01-node08", "rack04-node09"].every((from, i) => full[full.findIndex((h) => h.name === from) + 1]?.name === ["rack01-node12", "rack01-node03"][i]), "the target of a move stands below its source");
  check(full.some((h) => h.name === "rack03-node03" && h.text.includes("draining")) && full.some((h) => h.text.includes("no news 73 s")), "a host that is drained or silent stands out");
  const cut = await page.locator(".host .label, .host .tag").evaluateAll((all) => all.filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map((e) => e.textContent));
  check(cut.length === 0, `no name and no sign is cut off: ${cut.slice(0, 5)}`);
  check(await page.locator(".trail").count() === 2, "the way of each move is drawn");
  check(/Room for 412 more VMs of 2.00 CPU and 8.0 GiB; then, on most hosts, .* Without any one host, .*rack01-node01 is the hardest to lose/.test(await page.locator("#room").textContent()), "the room in the fleet is told, and what binds it");
  const notices = (await page.locator("#notices").textContent());
  check(/Nobody relieves rack07-node10A host that takes vm-129-0 \(.*Of the other hosts, 260: /.test(notices), "a host that nobody relieves is told, and what would help it");
  check(/Outside the time windows: rack01-node06.*may begin from .* on, in 1[12]\d min/.test(notices), "closed time windows are told, and when they open");
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

  await page.locator("#sort").selectOption("load");
  await page.locator('.segment[data-key="00000000-0000-4000-9000-000190000001"]').click();
  await page.waitForFunction(() => document.querySelector("#detail-title")?.textContent === "vm-190-1" && document.querySelector("#detail table"));
  const vm = await page.locator("#detail").textContent();
  check(vm.includes("it would move to rack01-node03 with policy.receive = 70 instead of 64"), "the explanation says what would have moved the VM");
  check(["requires the label ssd", "on another host than the rest of group db", "on one host with group shop, if possible", "priority 5"].every((r) => vm.includes(r)), "and what its owner asks for");
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, "web-explain");
  check(await page.locator("#detail tbody tr").count() === 2, "of 299 hosts those that say the same have one row");
  await page.locator("#detail summary").first().click();
  const before = await page.locator("#detail .facts").first().textContent();
  await page.waitForFunction((b) => document.querySelector("#detail .facts").textContent !== b, before);
  check(await page.locator("#detail details[open]").count() === 1, "what was unfolded stays so");
  await page.locator("#filter").fill("rack03-node03");
  await page.locator(".host .name").first().click();
  await page.waitForFunction(() => /It is being drained: 0 on the way, 19 to follow, 1 cannot leave/.test(document.querySelector("#detail").textContent));
  check(/Labels\s*ssd/.test(await page.locator("#detail").textContent()), "a host shows its labels");
  await accessible(page, "300 hosts, a drain");

  const dark = await open(browser, { dark: true, width: 1600, height: 1000 });
  await dark.waitForSelector(".traveller", { timeout: 60_000 });
  await dark.close();
  const narrow = await open(browser, { width: 360, height: 740 });
  await narrow.waitForSelector(".traveller", { timeout: 60_000 });
  check(!await wide(narrow), "nothing is wider than a small screen");
  await picture(narrow, "look-fleet-narrow");

  // The source of a move that went wrong is silent; its target tells.
  await narrow.route("**/v1/fleet*", async (route) => {
    const response = await route.fetch();
    const fleet = await response.json();
    const host = (name) => fleet.hosts.find((h) => h.name === name);
    const target = host("rack01-node01");
    target.flags |= 16;
    target.report.alarms = [{ domain: "00000000-0000-4000-9000-000000000999", name: "vm-lost", from: host("rack01-node02").id, reason: "duplicated" }];
    await route.fulfill({ response, json: fleet });
  });
  await narrow.waitForFunction(() => /A person must look at vm-lost, on its way from rack01-node02 to rack01-node01: the domain runs on both hosts\./.test(document.querySelector("#notices").textContent));
  check((await narrow.locator("h1").textContent()).startsWith("rack01-node01: a domain needs a person's eye"), "what a person must look at is said first");

  // Hosts are gone; what is left has nothing to do.
  await narrow.unroute("**/v1/fleet*");
  await narrow.route("**/v1/fleet*", async (route) => {
    const response = await route.fetch();
    const fleet = await response.json();
    fleet.hosts = fleet.hosts.slice(0, 2);
    fleet.hosts[0].report.fleet.missing = [3, 4].map((n) => ({ id: `00000000-0000-4000-8000-00000000000${n}`, name: n === 3 ? "rack01-node03" : "", last_seen: new Date(Date.now() - n * 60000).toISOString() }));
    await route.fulfill({ response, json: fleet });
  });
  await narrow.waitForFunction(() => document.querySelector("h1").textContent === "00000000-0000-4000-8000-000000000004 and rack01-node03 are missing");
  check(/Missing: rack01-node03, 00000000-0000-4000-8000-000000000004The last of them was last seen 3 min ago\./.test(await narrow.locator("#notices").textContent()), "hosts that are gone are named, and when they were seen");
  check(!await wide(narrow), "nothing is wider than a small screen then");
  await picture(narrow, "look-missing-narrow");
});
