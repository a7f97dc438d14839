// The load of the hosts over the last while, with the moves as marks.
import { el, svg, text } from "./dom.js";
import { clock, lasting, percent } from "./format.js";

// few is up to how many hosts each has its own line; of more, the hottest have,
// and a band shows where the others are.
const few = 8, hottest = 3;
const height = 190, left = 40, top = 14, bottom = 24;

// short is as much of a name as there is room for beside the chart.
const short = (name) => name.length > 20 ? `${name.slice(0, 19)}…` : name;

// Points keeps what has been fetched, bounded as the daemon's own ring is.
export class Points {
  at = [];
  hosts = new Map();
  // low and high are where nine in ten of the hosts are between; -1 is unknown.
  low = [];
  high = [];

  get newest() { return this.at.at(-1) ?? 0; }

  // add appends what the daemon says of the time after the newest point.
  add({ at, permille }) {
    const known = this.at.length;
    this.at.push(...at);
    for (const [id, points] of Object.entries(permille)) {
      if (!this.hosts.has(id)) this.hosts.set(id, new Array(known).fill(-1));
      this.hosts.get(id).push(...points);
    }
    for (const [id, points] of this.hosts) {
      while (points.length < this.at.length) points.push(-1);
      if (!(id in permille) && points.every((p) => p < 0)) this.hosts.delete(id);
    }
    for (let i = known; i < this.at.length; i++) {
      const values = [...this.hosts.values()].map((p) => p[i]).filter((p) => p >= 0).sort((a, b) => a - b);
      const q = (f) => values.length ? values[Math.round(f * (values.length - 1))] : -1;
      this.low.push(q(0.05));
      this.high.push(q(0.95));
    }
    const excess = this.at.length - 720;
    if (excess > 0) {
      for (const all of [this.at, this.low, this.high]) all.splice(0, excess);
      for (const points of this.hosts.values()) points.splice(0, excess);
    }
  }
}

export function drawTimeline(box, points, m, moves, selected) {
  if (points.at.length < 2) {
    box.replaceChildren(el("p", { class: "empty" }, "The daemon has just started to collect; a line appears in a few seconds."));
    return;
  }
  const wide = Math.max(300, box.clientWidth);
  const [start, end] = [points.at[0], points.at.at(-1)];
  const peak = Math.max(1000, ...[...points.hosts.values()].map((p) => p.reduce((a, b) => Math.max(a, b), 0)));
  const high = (m.marks?.high ?? 2) * 1000;

  const known = m.hosts.filter((h) => points.hosts.has(h.id));
  const last = (h) => points.hosts.get(h.id).findLast((p) => p >= 0) ?? -1;
  const ranked = [...known].sort((a, b) => last(b) - last(a));
  const lines = known.length <= few ? ranked : ranked.filter((h, i) => i < hottest || h.id === selected);
  const right = Math.max(74, 14 + 7 * Math.max(0, ...lines.map((h) => short(h.name).length)));
  const x = (t) => left + (t - start) / Math.max(1, end - start) * (wide - left - right);
  const y = (permille) => top + (1 - permille / peak) * (height - top - bottom);

  const chart = svg("svg", {
    viewBox: `0 0 ${wide} ${height}`, width: wide, height, role: "img", tabindex: 0, class: "chart",
    "aria-label": `CPU load of ${known.length} hosts over the last ${lasting((end - start) / 1000)}; now the hottest are ${ranked.slice(0, 3).map((h) => `${h.name} ${percent(last(h) / 1000)}`).join(", ")}. ${moves.length === 1 ? "1 move" : `${moves.length} moves`} in that time.`,
  });
  chart.append(svg("defs", {},
    svg("clipPath", { id: "above" }, svg("rect", { x: 0, y: 0, width: wide, height: Math.max(0, y(high)) })),
  ));
  for (const p of [0, 250, 500, 750, 1000]) {
    chart.append(svg("line", { class: "grid", x1: left, x2: wide - right, y1: y(p), y2: y(p) }));
    if (p % 500 === 0) chart.append(label(left - 6, y(p) + 4, `${p / 10} %`, "end"));
  }
  for (const i of [0, 0.5, 1]) {
    const t = start + (end - start) * i;
    chart.append(label(x(t), height - 6, clock(new Date(t)), ["start", "middle", "end"][i * 2]));
  }
  if (m.marks) {
    chart.append(svg("line", { class: "high", x1: left, x2: wide - right, y1: y(high), y2: y(high) }));
    chart.append(label(wide - right + 6, y(high) + 4, "high mark", "start", "axis over"));
  }
  if (lines.length < known.length) chart.append(band(points, x, y));
  // Names at the ends of the lines instead of a legend of colours; they are
  // pushed apart where lines end together.
  const ends = lines.map((h) => ({ h, y: y(Math.max(0, last(h))) + 4 })).sort((a, b) => a.y - b.y);
  // The high mark has its name there, too: on either side of that.
  const mark = m.marks ? y(high) + 4 : -Infinity;
  let free = mark - 12;
  for (const e of ends.filter((e) => e.y <= mark).reverse()) {
    e.y = Math.min(e.y, free);
    free = e.y - 13;
  }
  free = mark + 13;
  for (const e of ends.filter((e) => e.y > mark)) {
    e.y = Math.max(e.y, free);
    free = e.y + 13;
  }
  for (const { h, y: at } of ends) {
    const d = path(points.at, points.hosts.get(h.id), x, y);
    chart.append(svg("path", { class: `line${h.id === selected ? " selected" : ""}`, d }));
    chart.append(svg("path", { class: "line hot", d, "clip-path": "url(#above)" }));
    chart.append(label(wide - right + 6, Math.min(height - bottom + 4, at), short(h.name), "start", "axis name"));
  }
  for (const v of moves) {
    if (v.at < start || v.at > end) continue;
    const ok = v.result === "succeeded";
    const mark = svg("g", { class: `move${ok ? "" : " failed"}` },
      svg("line", { x1: x(v.at), x2: x(v.at), y1: top, y2: height - bottom }),
      svg("path", { d: ok ? `M${x(v.at) - 5} ${top - 9}h10l-5 8z` : `M${x(v.at) - 4} ${top - 9}l8 8m0 -8l-8 8` }));
    mark.append(svg("title", {}, `${clock(new Date(v.at))} ${v.name}: ${v.from} to ${v.to}, ${v.result}`));
    chart.append(mark);
  }
  const cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  chart.append(cursor);
  const old = box.querySelector(".readout");
  const readout = old ?? el("p", { class: "readout", "aria-live": "polite" });
  const focused = document.activeElement === box.querySelector("svg");
  let at = box.dataset.at === undefined ? points.at.length - 1 : Number(box.dataset.at);
  const show = (i) => {
    at = Math.max(0, Math.min(points.at.length - 1, i));
    box.dataset.at = at;
    cursor.setAttribute("x1", x(points.at[at]));
    cursor.setAttribute("x2", x(points.at[at]));
    cursor.setAttribute("visibility", "visible");
    const then = known.map((h) => [h.name, points.hosts.get(h.id)[at]]).filter((p) => p[1] >= 0).sort((a, b) => b[1] - a[1]);
    text(readout, `${clock(new Date(points.at[at]))}: ${then.slice(0, 6).map(([n, p]) => `${n} ${percent(p / 1000)}`).join(", ")}${then.length > 6 ? `, ${then.length - 6} more` : ""}`);
  };
  const idle = () => {
    delete box.dataset.at;
    cursor.setAttribute("visibility", "hidden");
    text(readout, "Point at the chart, or use ← and → in it, to read a moment.");
  };
  chart.addEventListener("pointermove", (e) => {
    const t = start + (e.clientX - chart.getBoundingClientRect().left - left) / (wide - left - right) * (end - start);
    const after = points.at.findIndex((p) => p >= t);
    show(after < 0 ? points.at.length - 1 : after);
  });
  chart.addEventListener("pointerleave", idle);
  chart.addEventListener("blur", idle);
  chart.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 }[e.key];
    if (step === undefined) return;
    e.preventDefault();
    show(at + step);
  });
  box.replaceChildren(chart, readout);
  if (focused) chart.focus();
  if (box.dataset.at !== undefined) show(at);
  else idle();
}

const label = (x, y, words, anchor, style = "axis") => {
  const e = svg("text", { class: style, x, y, "text-anchor": anchor });
  e.textContent = words;
  return e;
};

// path draws a line that is broken where nothing is known.
function path(at, values, x, y) {
  let d = "", pen = "M";
  for (let i = 0; i < at.length; i++) {
    if (values[i] < 0) pen = "M";
    else {
      d += `${pen}${x(at[i]).toFixed(1)} ${y(values[i]).toFixed(1)}`;
      if (pen === "M") d += "h.1"; // a point alone is seen, too
      pen = "L";
    }
  }
  return d;
}

// band is where nine in ten of the hosts are.
function band(points, x, y) {
  const upper = [], lower = [];
  for (let i = 0; i < points.at.length; i++) {
    if (points.low[i] < 0) continue;
    upper.push(`${x(points.at[i]).toFixed(1)} ${y(points.high[i]).toFixed(1)}`);
    lower.unshift(`${x(points.at[i]).toFixed(1)} ${y(points.low[i]).toFixed(1)}`);
  }
  const area = svg("path", { class: "band", d: `M${[...upper, ...lower].join("L")}Z` });
  area.append(svg("title", {}, "nine in ten of the hosts"));
  return area;
}
