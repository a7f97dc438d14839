// The keys: one stop of the Tab key for all bars, arrows within.

export function keyboard(list, { open, close, filter, isOpen }) {
  // at is where the Tab key leads: a host, and in it its name or a segment.
  let at = { host: null, item: null };

  const rows = () => [...list.children];
  const items = (row) => [row.querySelector(".name"), ...row.querySelectorAll(".segment")];
  const keyOf = (item) => item.dataset.key ?? "name";

  function go(item) {
    const row = item.closest("li");
    at = { host: row.dataset.key, item: keyOf(item) };
    settle();
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  // settle makes exactly one element the stop, also after hosts have gone.
  function settle() {
    const all = rows();
    const row = all.find((r) => r.dataset.key === at.host) ?? all[0];
    if (!row) return;
    const stop = items(row).find((i) => keyOf(i) === at.item) ?? items(row)[0];
    for (const e of list.querySelectorAll('[tabindex="0"]')) if (e !== stop) e.tabIndex = -1;
    if (stop.tabIndex !== 0) stop.tabIndex = 0;
  }

  list.addEventListener("keydown", (e) => {
    const item = e.target.closest(".name, .segment");
    if (!item || e.ctrlKey || e.metaKey || e.altKey) return;
    const row = item.closest("li"), all = rows(), mine = items(row);
    const row2 = (i) => items(all[Math.max(0, Math.min(all.length - 1, i))])[0];
    const target = {
      ArrowDown: () => row2(all.indexOf(row) + 1),
      ArrowUp: () => row2(all.indexOf(row) - 1),
      ArrowRight: () => mine[Math.min(mine.length - 1, mine.indexOf(item) + 1)],
      ArrowLeft: () => mine[Math.max(0, mine.indexOf(item) - 1)],
      Home: () => row2(0),
      End: () => row2(all.length - 1),
    }[e.key];
    if (!target) return;
    e.preventDefault();
    go(target());
  });
  list.addEventListener("click", (e) => {
    const item = e.target.closest(".name, .segment");
    if (!item) return;
    go(item);
    open(item.dataset.key ?? item.closest("li").dataset.key, item);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && isOpen()) close();
    if (e.key === "/" && !e.target.closest("input, select, textarea")) {
      e.preventDefault();
      filter.focus();
    }
  });

  return {
    settle,
    // focus gives the focus to a host or VM, wherever it is now.
    focus(id) {
      const item = list.querySelector(`[data-key="${CSS.escape(id ?? "")}"]`);
      if (item) go(item.matches("li") ? item.querySelector(".name") : item);
    },
  };
}
