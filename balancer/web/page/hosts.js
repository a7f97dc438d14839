// The hosts: each a bar from 0 to 100 %, its VMs the segments.
import { el, keyed, set, text } from "./dom.js";
import { bytes, cpus, lasting, percent, plural } from "./format.js";

// The bar ends at 100 %, unless promises or a guest's burst go beyond.
const width = (share) => `${Math.min(100, Math.max(0, share * 100)).toFixed(2)}%`;
const css = (e, name, value) => {
  if (e.style.getPropertyValue(name) !== value) e.style.setProperty(name, value);
};

// compactAbove is the number of hosts from which on each gets one line.
const compactAbove = 24;

export function drawHosts(list, hosts, view) {
  const compact = hosts.length > compactAbove;
  set(list, { class: compact ? "compact" : "roomy" });
  keyed(list, hosts, (h) => h.id, makeHost, (row, h) => updateHost(row, h, view, compact));
}

// drawLegend says what is what in a bar.
export function drawLegend(list, m) {
  const marks = m.measure === "cpu" && m.marks;
  const items = [
    ["vm", "a VM, as wide as its use"],
    ["rest", "the host’s own use"],
    ["promised", "promised to a VM that arrives"],
    marks && ["receive", `takes VMs in below ${percent(marks.receive)}`],
    marks && ["high", `gives away above ${percent(marks.high)}`],
  ].filter(Boolean);
  keyed(list, items, (i) => i[0], (i) => el("li", {}, el("i", { class: i[0] }), el("span")), (e, i) => text(e.lastChild, i[1]));
}

function makeHost() {
  return el("li", { class: "host" },
    el("button", { class: "name", type: "button", tabIndex: -1 }, el("span", { class: "label" }), el("span", { class: "tags" }), el("span", { class: "spoken" })),
    el("div", { class: "bar" },
      el("div", { class: "marks" }),
      el("div", { class: "segments", role: "group" }),
      el("span", { class: "rest", role: "img" }),
      el("span", { class: "promised", role: "img" }),
    ),
    el("p", { class: "value" }),
    el("p", { class: "why" }),
  );
}

function updateHost(row, h, view, compact) {
  const { measure } = view;
  set(row, { class: `host${h.over ? " over" : ""}${h.stale ? " stale" : ""}${h.flags.includes("frozen") ? " frozen" : ""}${view.selected === h.id ? " selected" : ""}` });
  const [name, bar, value, why] = row.children;
  text(name.firstChild, h.name);
  const tags = [
    h.self && !compact ? ["here", "the page comes from this host"] : null,
    h.over ? [compact ? "▲" : "▲ over", "over its high mark"] : null,
    h.stale ? [`${compact ? "○" : "no news"} ${lasting(h.age)}`, "nothing was heard of it for so long: what is shown is old"] : null,
    ...h.flags.map((f) => [f === "blind" ? "load not known" : f, ""]),
  ].filter(Boolean);
  keyed(name.children[1], tags, (t) => t[0].replace(/\d.*/, ""), () => el("span"), (e, [label, title]) => {
    text(e, label);
    set(e, { class: `tag ${label.startsWith("▲") || label === "frozen" ? "over" : /^(no news|○)/.test(label) ? "stale" : ""}`, title });
  });
  const use = `${percent(h.used)} ${measure === "cpu" ? "CPU" : "memory"} used`;
  text(name.children[2], `, ${use}${h.over ? ", over its high mark" : ""}${h.stale ? ", no news" : ""}, ${plural(h.running, "VM")}. Explain.`);

  const [marks, segments, rest, promised] = bar.children;
  drawMarks(marks, h, measure);
  set(segments, { "aria-label": `VMs of ${h.name}` });
  keyed(segments, h.segments, (s) => s.id, makeSegment, (e, s) => updateSegment(e, s, h, view));
  css(rest, "width", width(h.other));
  set(rest, { hidden: h.other < 0.002, title: `${percent(h.other)} not used by VMs`, "aria-label": `${percent(h.other)} used by the host itself, not by VMs` });
  css(promised, "width", width(h.promised));
  set(promised, { hidden: h.promised < 0.002, title: `${percent(h.promised)} promised`, "aria-label": `${percent(h.promised)} promised to VMs that arrive` });

  text(value, percent(h.used));
  set(value, { title: `${use} of ${measure === "cpu" ? cpus(h.capacity.cpu_millis) : bytes(h.capacity.memory_bytes)}` });
  text(why, whyText(h));
}

function whyText(h) {
  if (h.silent && !h.self) return `no report: ${h.silent}`;
  if (!h.report) return plural(h.running, "VM");
  return `${plural(h.running, "VM")}; ${h.hold === "ok" ? "starts a move" : h.holdText}`;
}

// drawMarks draws the receive mark and the high mark of the host.
function drawMarks(e, h, measure) {
  const marks = measure === "cpu" && h.marks ? [["receive", h.marks.receive], ["high", h.marks.high]] : [];
  keyed(e, marks, (m) => m[0], (m) => el("i", { class: m[0] }), (i, [name, at]) => {
    css(i, "left", width(at));
    set(i, { title: `${name} mark ${percent(at)}` });
  });
}

const digests = new WeakMap();

function makeSegment() {
  return el("button", { class: "segment", type: "button", tabIndex: -1 }, el("span"));
}

function updateSegment(e, s, h, view) {
  // In a large fleet there are thousands, and few of them change.
  const digest = [s.name, s.width.toFixed(4), s.share.toFixed(3), s.moving?.done, s.domain.stays_text, view.filter, view.selected === s.id, h.name].join("|");
  if (digests.get(e) === digest) return;
  digests.set(e, digest);
  css(e, "width", width(s.width));
  // Shades tell neighbours apart and the large from the small; they mean no more.
  css(e, "--shade", `${Math.round(Math.min(1, s.share / 0.4) * 100)}%`);
  const found = view.filter && s.name.toLowerCase().includes(view.filter);
  set(e, {
    class: `segment${s.moving ? " moving" : ""}${found ? " found" : ""}${view.selected === s.id ? " selected" : ""}`,
    title: `${s.name}: ${percent(s.share)} of ${h.name}${s.moving ? `, moving to ${s.moving.toName}, ${percent(s.moving.done)} copied` : ""}`,
    "aria-label": `${s.name}, ${percent(s.share)} of ${h.name}${s.moving ? `, moving to ${s.moving.toName}, ${percent(s.moving.done)} copied` : `, stays: ${s.domain.stays_text}`}. Explain.`,
  });
  css(e, "--done", s.moving ? width(s.moving.done) : "0%");
  text(e.firstChild, s.name);
}

// drawTravellers puts the segment of each move on its way from bar to bar, as
// far as the copy has come.
export function drawTravellers(stage, layer, list, m) {
  const origin = stage.getBoundingClientRect();
  const rows = new Map([...list.children].map((r) => [r.dataset.key, r]));
  const shown = m.moves.filter((v) => rows.has(v.from) && rows.has(v.to)).slice(0, 20);
  keyed(layer, shown, (v) => v.op, () => el("div", { class: "traveller" }, el("span"), el("b")), (e, v) => {
    const source = rows.get(v.from), target = rows.get(v.to);
    const segment = source.querySelector(`[data-key="${CSS.escape(v.domain)}"]`) ?? source.querySelector(".bar");
    const bar = target.querySelector(".bar").getBoundingClientRect();
    const from = segment.getBoundingClientRect();
    const host = m.byID.get(v.to);
    const wide = Math.max(8, Math.min(1, m.byID.get(v.to).arriving.find((a) => a.op === v.op)?.share ?? 0.1) * bar.width);
    const to = { left: bar.left + Math.min(1, host.used) * bar.width, top: bar.top };
    const x = from.left + (to.left - from.left) * v.done - origin.left;
    const y = from.top + (to.top - from.top) * v.done - origin.top;
    css(e, "width", `${(from.width + (wide - from.width) * v.done).toFixed(0)}px`);
    css(e, "height", `${bar.height.toFixed(0)}px`);
    css(e, "transform", `translate(${x.toFixed(0)}px, ${y.toFixed(0)}px)`);
    text(e.firstChild, v.name);
    text(e.lastChild, percent(v.done));
  });
}
