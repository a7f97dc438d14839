// The log: what was decided and what came of it, newest first.
import { el, keyed, set, text } from "./dom.js";
import { clock, lasting, percent, plural, sentence } from "./format.js";

const most = 60;

export function drawLog(box, entries, { movesOnly, reasons, open }) {
  const shown = entries.filter((e) => !movesOnly || e.kind === "move").slice(0, most);
  if (!shown.length) {
    box.replaceChildren(el("p", { class: "empty" }, movesOnly ? "Nothing has been moved, or tried to be, yet." : "Nothing has been decided yet."));
    return;
  }
  let list = box.querySelector("ol");
  if (!list) {
    list = el("ol", { class: "log" });
    box.replaceChildren(list);
  }
  keyed(list, shown, (e) => e.key, (e) => e.kind === "move" ? moveRow(e, reasons, open) : decisionRow(e, open), (row, e) => {
    set(row, { class: e.kind === "move" ? `entry ended ${e.result}` : e.decision.move ? "entry" : "entry quiet" });
    text(row.querySelector("time"), clock(e.at));
    if (e.kind === "move") text(row.querySelector(".found"), found(e.operation, reasons)); // which comes long after the row
  });
}

const effects = { improved: "improved", no_gain: "no gain", worse: "worse" };

// found is what audits have found that the move did, with what they went by.
export function found(o, reasons) {
  return [o.audits?.soon, o.audits?.late].filter(Boolean).map((a) => {
    const after = `${lasting((new Date(a.at) - new Date(o.ended)) / 1000)} later:`;
    if (!(a.effect in effects)) return `${after} what it did is not known, because ${reasons[a.reason] ?? a.reason ?? "too little was seen"}.`;
    const gain = a.gain ?? 0;
    return `${after} ${effects[a.effect]}; the busier host is ${plural(Math.round(Math.abs(gain) * 100), "point")} ${gain < 0 ? "above" : "below"} what it would have been at.`;
  }).join(" ");
}

const time = (at) => el("time", { dateTime: at.toISOString() }, clock(at));

function moveRow(e, reasons, open) {
  const o = e.operation;
  const ok = e.result === "succeeded";
  const why = ok ? reasons[o.move.why] ?? o.move.why : `${reasons[e.reason] ?? e.reason}${e.detail ? `: ${e.detail}` : ""}`;
  const name = el("button", { class: "link", type: "button" }, e.name);
  name.onclick = () => open(e.domain, name);
  return el("li", {}, time(e.at), el("div", {},
    el("p", {}, el("b", { class: "sign", "aria-hidden": "true" }, ok ? "→" : "✕"), " ", ok ? "Moved " : `Move ${e.result}: `, name, ` from ${e.from} to ${e.to}`,
      ok ? ` in ${lasting(o.duration_seconds ?? 0)}` : ""),
    el("p", { class: "because" }, `${sentence(why)} Predicted: ${e.from} ${percent(o.move.from_before)} → ${percent(o.move.from_after)}, ${e.to} ${percent(o.move.to_before)} → ${percent(o.move.to_after)}, in ${lasting(o.move.duration_ns / 1e9)}.${o.downtime_seconds ? ` The guest stood still for ${Math.round(o.downtime_seconds * 1000)} ms.` : ""}`),
    el("p", { class: "found" }),
  ));
}

function decisionRow(e, open) {
  const d = e.decision;
  const host = el("button", { class: "link", type: "button" }, e.host);
  host.onclick = () => open(e.hostID, host);
  const use = `${percent(d.cpu)} CPU, ${percent(d.memory)} memory`;
  const line = el("p", {}, host);
  if (d.move) {
    const vm = el("button", { class: "link", type: "button" }, d.move.name);
    vm.onclick = () => open(d.move.domain, vm);
    line.append(d.hold === "ok" ? " starts to move " : " would move ", vm, ` to ${e.to}`);
  } else line.append(` starts nothing: ${d.hold_text}`);
  line.append(el("span", { class: "use" }, use));
  // Where all stay because the host starts nothing, that has been said.
  const stay = (d.stay ?? []).filter((t) => t.reason !== d.hold);
  return el("li", {}, time(e.at), el("div", {}, line,
    d.move ? el("p", { class: "because" }, `${sentence(d.why_text)}${d.hold === "ok" ? "" : ` But ${d.hold_text}.`}`) : null,
    stay.length ? whyNot(stay) : null,
  ));
}

// whyNot is the table of those that were left where they were.
function whyNot(stay) {
  const n = stay.reduce((s, t) => s + t.domains, 0);
  return el("details", {},
    el("summary", {}, `Why not the others: ${plural(n, "VM")}`),
    el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "number" }, "VMs"), el("th", { scope: "col" }, "stay because"))),
      el("tbody", {}, stay.map((t) => el("tr", {}, el("td", { class: "number" }, `${t.domains}`), el("td", {}, t.text)))),
    ));
}
