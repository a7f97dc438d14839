// The hosts: each a bar from 0 to 100 %, its VMs the segments.
import { el, keyed, set, svg, text } from "./dom.js";
import { bytes, cpus, lasting, percent, plural } from "./format.js";

// The bar ends at 100 %, unless promises or a guest's burst go beyond.
const width = (share) => `${Math.min(100, Math.max(0, share * 100)).toFixed(2)}%`;
const css = (e, name, value) => {
  if (e.style.getPropertyValue(name) !== value) e.style.setProperty(name, value);
};

// drawHosts draws the hosts, those of view.wide at full width and each of the
// others on a line.
export function drawHosts(list, hosts, view) {
  const compact = view.wide.size < hosts.length;
  const tagged = compact && hosts.some((h) => !view.wide.has(h) && tagsOf(h, true).length);
  set(list, { class: compact ? `compact${tagged ? " tagged" : ""}` : "roomy" });
  keyed(list, hosts, (h) => h.id, makeHost, (row, h) => updateHost(row, h, view, !view.wide.has(h)));
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
      el("i", { class: "excess" }),
    ),
    el("p", { class: "value" }),
    el("p", { class: "why" }),
  );
}

// tagsOf are the words beside a host's name, each with what it means.
function tagsOf(h, slim) {
  return [
    h.self && !slim ? ["here", "the page comes from this host"] : null,
    h.over ? [slim ? "▲" : "▲ over", "over its high mark"] : null,
    h.stale ? [`${slim ? "○" : "no news"} ${lasting(h.age)}`, "nothing was heard of it for so long: what is shown is old"] : null,
    ...h.flags.map((f) => [f === "blind" ? "load not known" : f, ""]),
  ].filter(Boolean);
}

function updateHost(row, h, view, slim) {
  const { measure } = view;
  set(row, { class: `host ${slim ? "slim" : "full"}${h.over ? " over" : ""}${h.stale ? " stale" : ""}${h.flags.includes("frozen") ? " frozen" : ""}${view.selected === h.id ? " selected" : ""}` });
  const [name, bar, value, why] = row.children;
  text(name.firstChild, h.name);
  keyed(name.children[1], tagsOf(h, slim), (t) => t[0].replace(/\d.*/, ""), () => el("span"), (e, [label, title]) => {
    text(e, label);
    set(e, { class: `tag ${label.startsWith("▲") || label === "frozen" ? "over" : /^(no news|○)/.test(label) ? "stale" : ""}`, title });
  });
  const use = `${percent(h.used)} ${measure === "cpu" ? "CPU" : "memory"} used`;
  text(name.children[2], `, ${use}${h.over ? ", over its high mark" : ""}${h.stale ? ", no news" : ""}, ${plural(h.running, "VM")}. Explain.`);

  const [marks, segments, rest, promised, excess] = bar.children;
  drawMarks(marks, h, measure);
  set(segments, { "aria-label": `VMs of ${h.name}` });
  keyed(segments, h.segments, (s) => s.id, makeSegment, (e, s) => updateSegment(e, s, h, view));
  css(rest, "width", width(h.other));
  set(rest, { hidden: h.other < 0.002, title: `${percent(h.other)} not used by VMs`, "aria-label": `${percent(h.other)} used by the host itself, not by VMs` });
  css(promised, "width", width(h.promised));
  set(promised, { hidden: h.promised < 0.002, title: `${percent(h.promised)} promised`, "aria-label": `${percent(h.promised)} promised to VMs that arrive` });

  set(excess, { hidden: !h.over });
  if (h.over) {
    css(excess, "left", width(h.marks.high));
    css(excess, "width", width(Math.min(1, h.used) - h.marks.high));
  }

  text(value, percent(h.used));
  set(value, { title: `${use} of ${measure === "cpu" ? cpus(h.capacity.cpu_millis) : bytes(h.capacity.memory_bytes)}` });
  text(why, whyText(h));
}

function whyText(h) {
  if (h.silent && !h.self) return `no report: ${h.silent}`;
  if (!h.report) return plural(h.running, "VM");
  // Who makes a host hot is the first question about one that is.
  const [first, second] = h.segments;
  const who = h.over && first ? `, the largest ${first.name} (${percent(first.share)})${second ? ` and ${second.name} (${percent(second.share)})` : ""}` : "";
  return `${plural(h.running, "VM")}${who}; ${h.hold === "ok" ? "starts a move" : h.holdText}`;
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
  return el("button", { class: "segment", type: "button", tabIndex: -1 }, el("span", { class: "who" }));
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
    "data-share": percent(s.share),
    "aria-label": `${s.name}, ${percent(s.share)} of ${h.name}${s.moving ? `, moving to ${s.moving.toName}, ${percent(s.moving.done)} copied` : `, stays: ${s.domain.stays_text}`}. Explain.`,
  });
  css(e, "--done", s.moving ? width(s.moving.done) : "0%");
  text(e.firstChild, s.name);
}

// drawTravellers puts the segment of each move on its way from bar to bar, as
// far as the copy has come, and draws the way.
export function drawTravellers({ stage, layer, trails, list }, m) {
  const origin = stage.getBoundingClientRect();
  const rows = new Map([...list.children].map((r) => [r.dataset.key, r]));
  const ways = m.moves.filter((v) => rows.has(v.from) && rows.has(v.to)).slice(0, 20).map((v) => way(v, rows, m, origin));
  keyed(trails, ways, (w) => w.move.op, () => svg("path", { class: "trail" }), (e, w) => {
    const d = trail(w.from, w.to);
    if (e.getAttribute("d") !== d) e.setAttribute("d", d);
  });
  keyed(layer, ways, (w) => w.move.op, () => el("div", { class: "traveller" }, el("span"), el("b")), (e, { move: v, from, to, slim }) => {
    const at = (key) => from[key] + (to[key] - from[key]) * v.done;
    // The label has to be readable, and to stay on the page.
    const wide = Math.max(at("width"), slim ? 90 : 112);
    const x = Math.max(0, Math.min(at("left"), origin.width - wide));
    set(e, { class: `traveller${slim ? " slim" : ""}` });
    css(e, "width", `${wide.toFixed(0)}px`);
    css(e, "height", `${at("height").toFixed(0)}px`);
    css(e, "transform", `translate(${x.toFixed(0)}px, ${at("top").toFixed(0)}px)`);
    text(e.firstChild, v.name);
    text(e.lastChild, percent(v.done));
  });
}

// way is where a move begins, at the VM's segment, and where it ends, behind what
// the target uses; relative to the stage.
function way(v, rows, m, origin) {
  const source = rows.get(v.from), target = rows.get(v.to), host = m.byID.get(v.to);
  const segment = source.querySelector(`[data-key="${CSS.escape(v.domain)}"]`) ?? source.querySelector(".bar");
  const from = segment.getBoundingClientRect(), bar = target.querySelector(".bar").getBoundingClientRect();
  const share = Math.min(1, host.arriving.find((a) => a.op === v.op)?.share ?? 0.1);
  return {
    move: v, slim: source.classList.contains("slim") && target.classList.contains("slim"),
    from: { left: from.left - origin.left, top: from.top - origin.top, width: from.width, height: from.height },
    to: { left: bar.left + Math.min(1, host.used) * bar.width - origin.left, top: bar.top - origin.top, width: Math.max(8, share * bar.width), height: bar.height },
  };
}

// trail is an arrow from the edge of one place to the edge of the other.
function trail(from, to) {
  const down = to.top > from.top;
  const [x1, y1] = [from.left + from.width / 2, from.top + (down ? from.height : 0)];
  const [x2, y2] = [to.left + to.width / 2, to.top + (down ? 0 : to.height)];
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const barb = (turn) => `${(x2 - 9 * Math.cos(angle + turn)).toFixed(0)} ${(y2 - 9 * Math.sin(angle + turn)).toFixed(0)}`;
  return `M${x1.toFixed(0)} ${y1.toFixed(0)}L${x2.toFixed(0)} ${y2.toFixed(0)}M${barb(0.45)}L${x2.toFixed(0)} ${y2.toFixed(0)}L${barb(-0.45)}`;
}
