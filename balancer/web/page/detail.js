// The explanation of one VM or one host: what it is, why it stays or moves, and
// why not elsewhere.
import { el } from "./dom.js";
import { bytes, clock, cpus, lasting, percent, plural, sentence, valid } from "./format.js";

const facts = (rows) => el("dl", { class: "facts" }, rows.filter(Boolean).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));

const table = (caption, heads, rows) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
  el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map(([h, c]) => el("th", { scope: "col", class: c ?? "" }, h)))),
    el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c, i) => el(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : { class: heads[i][1] ?? "" }, c)))))));

export function head(title, kind, close) {
  const button = el("button", { type: "button", class: "close", "aria-label": "Close the explanation" }, "✕");
  button.onclick = close;
  return el("header", {}, el("div", {}, el("p", { class: "kind" }, kind), el("h2", { id: "detail-title", tabindex: -1 }, title)), button);
}

// vmDetail shows what /v1/explain says of a VM.
export function vmDetail(e, { reasons, move, host }) {
  const d = e.domain;
  const verdict = move ? `It moves to ${move.toName} now: ${percent(move.done)} copied.`
    : e.move && e.hold === "ok" ? `It moves now: ${reasons[e.move.why] ?? e.move.why}.`
      : e.move ? `It would move, because ${reasons[e.move.why] ?? e.move.why}; but ${e.hold_text}.`
        : e.stays !== "ok" ? `It stays: ${reasons[e.stays] ?? e.stays}.`
          : `It stays: ${e.hold_text}.`;
  const hosts = [...(e.hosts ?? [])].sort((a, b) => (b.reason === "ok") - (a.reason === "ok") || a.name.localeCompare(b.name, "en", { numeric: true }));
  return [
    el("p", { class: "lead" }, verdict),
    facts([
      ["Runs on", e.on],
      ["CPU", d.known ? `${cpus(d.demand.cpu_millis)} of ${plural(d.vcpus, "vCPU")}${host ? `, ${percent(d.demand.cpu_millis / host.capacity.cpu_millis)} of the host` : ""}` : "not known yet"],
      d.known ? ["Waits for a CPU", `${percent(d.wait ?? 0)} of the time`] : null,
      ["Memory", `${bytes(d.demand.memory_bytes)}, at most ${bytes(d.memory_max_bytes)}`],
      ["Moves", d.history?.count ? `${plural(d.history.count, "move")} close together, the last at ${clock(new Date(d.history.last))}` : valid(d.history?.last) ? `last at ${clock(new Date(d.history.last))}` : "none"],
      d.requires?.length ? ["Requires", d.requires.join(", ")] : null,
    ]),
    hosts.length
      ? table("Where it could go", [["Host"], ["Could go"], ["Because"]], hosts.map((h) => [h.name, h.reason === "ok" ? "yes" : "no", h.text]))
      : el("p", { class: "empty" }, "There is no other host that it could go to."),
    e.history?.length ? table("Moved away from this host before", [["When"], ["To"], ["Result"]], e.history.map((o) => [clock(new Date(o.ended)), o.to_name ?? o.move.to, o.result])) : null,
  ];
}

// hostDetail shows what is known of a host.
export function hostDetail(h, open) {
  const r = h.report, s = h.raw;
  const load = (k) => k === "cpu" ? s.used.cpu_millis / s.capacity.cpu_millis : s.used.memory_bytes / s.capacity.memory_bytes;
  const lead = h.silent && !h.self ? `No report: ${h.silent}. What follows is ${lasting(h.age)} old.`
    : r ? (r.hold === "ok" ? "It starts a move." : `It starts nothing: ${r.hold_text}.`) : "It has not reported yet.";
  const rows = h.segments.map((v) => {
    const b = el("button", { type: "button", class: "link" }, v.name);
    b.onclick = () => open(v.id, b);
    return [b, cpus(v.domain.demand.cpu_millis), bytes(v.domain.demand.memory_bytes), v.moving ? `moves to ${v.moving.toName} now` : v.domain.stays === "ok" ? h.holdText : v.domain.stays_text];
  });
  return [
    el("p", { class: "lead" }, lead),
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
      r ? ["Mode", `${r.mode}${r.paused ? ", paused" : ""}`] : null,
      r ? ["Daemon", `${r.version}, up ${lasting((Date.now() - new Date(r.started)) / 1000)}`] : null,
    ]),
    rows.length
      ? table(`Why its ${plural(rows.length, "VM")} stay${rows.length === 1 ? "s" : ""}`, [["VM"], ["CPU", "number"], ["Memory", "number"], ["Stays because"]], rows)
      : el("p", { class: "empty" }, "It runs no VM."),
    r?.domains_left_out ? el("p", { class: "empty" }, `${plural(r.domains_left_out, "more VM")} with less use are left out.`) : null,
  ];
}

export const failed = (error) => [el("p", { class: "lead" }, sentence(error))];
