// The explanation of one VM or one host: what it is, why it stays or moves, and
// why not elsewhere.
import { el } from "./dom.js";
import { bytes, clock, cpus, lasting, percent, plural, sentence, valid } from "./format.js";
import { mode, opening, room, rules, shortage } from "./room.js";

const facts = (rows) => el("dl", { class: "facts" }, rows.filter(Boolean).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));

const table = (caption, heads, rows) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
  el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map(([h, c]) => el("th", { scope: "col", class: c ?? "" }, h)))),
    el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c, i) => el(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : { class: heads[i][1] ?? "" }, c)))))));

// link is a button that opens the explanation of another VM or host.
const link = (name, id, open) => {
  const b = el("button", { type: "button", class: "link" }, name);
  b.onclick = () => open(id, b);
  return b;
};

export function head(title, kind, close) {
  const button = el("button", { type: "button", class: "close", "aria-label": "Close the explanation" }, "✕");
  button.onclick = close;
  return el("header", {}, el("div", {}, el("p", { class: "kind" }, kind), el("h2", { id: "detail-title", tabindex: -1 }, title)), button);
}

const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });

// vmDetail shows what /v1/explain says of a VM.
export function vmDetail(e, { reasons, move, host }) {
  const d = e.domain;
  const verdict = move ? `It moves to ${move.toName} now: ${percent(move.done)} copied.`
    : e.move && e.hold === "ok" ? `It moves now: ${reasons[e.move.why] ?? e.move.why}.`
      : e.move ? `It would move, because ${reasons[e.move.why] ?? e.move.why}; but ${e.hold_text}.`
        : e.stays !== "ok" ? `It stays: ${reasons[e.stays] ?? e.stays}.`
          : `It stays: ${e.hold_text}.`;
  const asked = rules(d);
  return [
    el("p", { class: "lead" }, verdict),
    e.instead && !move ? el("p", { class: "instead" }, el("b", {}, "What would change that: "), `it would move to ${e.instead.to_name} ${e.instead.text}.`) : null,
    move ? facts([
      ["Because", reasons[move.why] ?? move.why],
      [move.fromName, `from ${percent(move.raw.from_before)} to ${percent(move.raw.from_after)} CPU, as predicted`],
      [move.toName, `from ${percent(move.raw.to_before)} to ${percent(move.raw.to_after)} CPU`],
      ["Takes", `about ${lasting(move.predicted)}; begun ${lasting((Date.now() - move.opened) / 1000)} ago`],
    ]) : null,
    facts([
      ["Runs on", e.on],
      ["CPU", d.known ? `${cpus(d.demand.cpu_millis)} of ${plural(d.vcpus, "vCPU")}${host ? `, ${percent(d.demand.cpu_millis / host.capacity.cpu_millis)} of the host` : ""}` : "not known yet"],
      d.known ? ["Waits for a CPU", `${percent(d.wait ?? 0)} of the time`] : null,
      ["Memory", `${bytes(d.demand.memory_bytes)}, at most ${bytes(d.memory_max_bytes)}`],
      ["Moves", d.history?.count ? `${plural(d.history.count, "move")} close together, the last at ${clock(new Date(d.history.last))}` : valid(d.history?.last) ? `last at ${clock(new Date(d.history.last))}` : "none"],
      ["Rules", asked.length ? asked.join("; ") : "none of its own"],
    ]),
    // While it moves, every host would answer that it is moving.
    move ? null : hosts(e.hosts ?? []),
    e.history?.length ? table("Moved away from this host before", [["When"], ["To"], ["Result"]], e.history.map((o) => [clock(new Date(o.ended)), o.to_name ?? o.move.to, o.result])) : null,
  ];
}

// hosts is the table of where a VM could go. Of many hosts those that say the
// same have one row.
function hosts(all) {
  if (!all.length) return el("p", { class: "empty" }, "There is no other host that it could go to.");
  const sorted = [...all].sort((a, b) => (b.reason === "ok") - (a.reason === "ok") || byName(a, b));
  const heads = [["Host"], ["Could go"], ["Because"]];
  const answer = (h) => h.reason === "ok" ? "yes" : "no";
  if (sorted.length <= 12) return table("Where it could go", heads, sorted.map((h) => [h.name, answer(h), h.text]));
  const same = Object.values(Object.groupBy(sorted, (h) => `${h.reason} ${h.text}`)).sort((a, b) => answer(b[0]).localeCompare(answer(a[0])) || b.length - a.length);
  return table("Where it could go", heads, same.map((hs) => [
    hs.length === 1 ? hs[0].name : el("details", { "data-key": hs[0].reason }, el("summary", {}, plural(hs.length, "host")), hs.map((h) => h.name).join(", ")),
    answer(hs[0]), hs[0].text,
  ]));
}

// hostDetail shows what is known of a host. drain is what draining it does or
// would do, as far as it has said.
export function hostDetail(h, { open, reasons, drain }) {
  const r = h.report, s = h.raw;
  const load = (k) => k === "cpu" ? s.used.cpu_millis / s.capacity.cpu_millis : s.used.memory_bytes / s.capacity.memory_bytes;
  const lead = h.silent && !h.self ? `No report: ${h.silent}. What follows is ${lasting(h.age)} old.`
    : r ? (r.hold === "ok" ? "It starts a move." : `It starts nothing: ${r.hold_text}.`) : "It has not reported yet.";
  const rows = h.segments.map((v) => [
    link(v.name, v.id, open), cpus(v.domain.demand.cpu_millis), bytes(v.domain.demand.memory_bytes),
    v.moving ? `moves to ${v.moving.toName} now` : v.domain.stays === "ok" ? h.holdText : v.domain.stays_text,
  ]);
  const drains = drain ? drained(drain, open) : [];
  return [
    el("p", { class: "lead" }, lead),
    r?.shortage ? el("p", { class: "instead" }, shortage(r.shortage, reasons)) : null,
    facts([
      ["CPU", `${percent(load("cpu"))} of ${cpus(s.capacity.cpu_millis)}`],
      s.ahead > load("cpu") + 0.01 ? ["Forecast", percent(s.ahead)] : null,
      ["Memory", `${percent(load("memory"))} of ${bytes(s.capacity.memory_bytes)}`],
      s.promised?.cpu_millis ? ["Promised", `${cpus(s.promised.cpu_millis)}, ${bytes(s.promised.memory_bytes)}`] : null,
      ["CPU pressure", `${percent(s.pressure ?? 0)} of the time something waits`],
      h.marks ? ["Marks", `takes in below ${percent(h.marks.receive)}, gives away above ${percent(h.marks.high)} until below ${percent(h.marks.stop)}`] : null,
      ["Migrations", `${s.inbound ?? 0} in, ${s.outbound ?? 0} out`],
      ["Heard from", h.self ? "is this host" : `${lasting(h.heard)} ago`],
      h.flags.length ? ["State", h.flags.join(", ")] : null,
      s.labels?.length ? ["Labels", s.labels.join(", ")] : null,
      r ? ["Mode", mode(r)] : null,
      r?.strategy && r.strategy !== "threshold" ? ["Strategy", r.strategy] : null,
      r?.closed ? ["May begin moves", opening(r.closed)] : null,
      r ? ["Daemon", `${r.version}, up ${lasting((Date.now() - new Date(r.started)) / 1000)}`] : null,
    ]),
    ...(drain?.draining ? drains : []),
    rows.length
      ? table(`Why its ${plural(rows.length, "VM")} stay${rows.length === 1 ? "s" : ""}`, [["VM"], ["CPU", "number"], ["Memory", "number"], ["Stays because"]], rows)
      : el("p", { class: "empty" }, "It runs no VM."),
    r?.domains_left_out ? el("p", { class: "empty" }, `${plural(r.domains_left_out, "more VM")} with less use are left out.`) : null,
    ...(drain?.draining ? [] : drains),
    r && room(r.room, reasons) ? el("p", { class: "empty" }, `As this host sees the fleet: ${room(r.room, reasons).text}`) : null,
  ];
}

// drained says how far a drain has come, or what one would do.
function drained(d, open) {
  if (!d.stays.length && !d.moving.length && !d.moves.length) return d.draining ? [el("p", { class: "instead" }, "It is drained: nothing is left on it.")] : [];
  const leave = d.moving.length + d.moves.length;
  const all = d.draining
    ? `It is being drained: ${d.moving.length} on the way, ${d.moves.length} to follow, ${d.stays.length} cannot leave.${d.hold === "ok" ? "" : ` For now, ${d.hold_text}.`}`
    : `Were it drained, ${leave ? `${plural(leave, "VM")} would leave` : "no VM would leave"}${d.stays.length ? `, and ${d.stays.length} could not` : ""}.`;
  return [
    el("h3", {}, "Drain"),
    el("p", { class: d.draining ? "instead" : "soft" }, all),
    d.stays.length ? table(d.draining ? "Cannot leave" : "Could not leave", [["VM"], ["Because"]], d.stays.map((s) => [link(s.name, s.domain, open), s.text])) : null,
    d.moves.length ? table(d.draining ? "Likely to follow" : "Would leave", [["VM"], ["To"], ["About", "number"]], d.moves.map((m) => [link(m.name, m.domain, open), d.host_names?.[m.to] ?? m.to, lasting(m.duration_ns / 1e9)])) : null,
  ];
}

export const failed = (error) => [el("p", { class: "lead" }, sentence(error))];
