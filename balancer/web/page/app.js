// The page: asks the daemon about once a second, and draws what it says.
import { set, text } from "./dom.js";
import { failed, head, hostDetail, vmDetail } from "./detail.js";
import { drawHosts, drawLegend, drawTravellers } from "./hosts.js";
import { keyboard } from "./keyboard.js";
import { drawLog } from "./log.js";
import { arranged, entries, model } from "./model.js";
import { drawFigures, drawFreshness, drawNotices, drawRoom, drawVerdict } from "./notices.js";
import { drawTimeline, Points } from "./timeline.js";

const $ = (id) => document.getElementById(id);

// patience is how long one question may take.
const patience = 6000;

const state = {
  model: null, report: null, past: [], reasons: {}, points: new Points(),
  received: 0, failedSince: null, error: "",
  filter: "", sort: "load", measure: "cpu",
  // arriving: the explanation is to get the focus when it is there.
  selected: null, opener: null, explained: "", arriving: false,
  // drain is what the host in the explanation last said of its drain.
  drain: { host: null, asked: 0, answer: null },
};

async function ask(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(patience), headers: { Accept: "application/json" } });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `the daemon answered ${response.status}`);
  return body;
}

// turn asks once. The past changes seldom, and is asked for every fifth time.
async function turn(n) {
  try {
    const size = state.model?.hosts.length ?? 1;
    const history = n % 5 === 0 ? Math.max(3, Math.min(50, Math.floor(600 / size))) : 0;
    const report = await ask(`/v1/fleet?history=${history}`);
    if (history) state.past = entries(report);
    else carryDecisions(report);
    state.report = report;
    if (!Object.keys(state.reasons).length) state.reasons = await ask("/v1/reasons");
    if (n % 2 === 0) state.points.add(await ask(`/v1/timeline?after=${state.points.newest}`));
    Object.assign(state, { received: Date.now(), failedSince: null, error: "" });
    draw();
  } catch (e) {
    state.failedSince ??= Date.now();
    state.error = e.name === "TypeError" || e.name === "TimeoutError" || e.name === "AbortError" ? "" : e.message;
    freshness();
  }
}

// carryDecisions keeps the last known decisions in reports that were asked for
// without.
function carryDecisions(report) {
  const before = new Map((state.report?.hosts ?? []).map((h) => [h.id, h.report?.decisions]));
  for (const h of report.hosts) if (h.report) h.report.decisions ??= before.get(h.id);
}

async function run() {
  for (let n = 0; ; n++) {
    // One question at a time; a page that nobody sees asks none.
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    await turn(n);
    const hosts = state.model?.hosts.length ?? 1;
    await new Promise((later) => setTimeout(later, hosts > 50 ? 2500 : 1000));
  }
}

function freshness() {
  drawFreshness({ label: $("freshness"), problem: $("problem"), body: document.body }, state, Date.now());
}

function draw() {
  freshness();
  if (!state.report) return;
  const m = state.model = model(state.report, state.measure);
  drawVerdict($("verdict"), m);
  drawFigures($("figures"), m);
  drawRoom($("room"), m, state.reasons);
  drawNotices($("notices"), m, { open, reasons: state.reasons });
  drawLegend($("scale"), m);
  const { hosts, wide } = arranged(m, state);
  drawHosts($("hosts"), hosts, { ...state, wide });
  text($("more"), hosts.length === m.hosts.length ? "" : hosts.length ? `${hosts.length} of ${m.hosts.length} hosts match.` : `No host and no VM matches “${state.filter}”.`);
  drawTravellers({ stage: $("stage"), layer: $("travellers"), trails: $("trails"), list: $("hosts") }, m);
  keys.settle();
  document.body.dataset.detail = state.selected ? "open" : "";
  drawTimeline($("timeline"), state.points, m, state.past.filter((e) => e.kind === "move").map((e) => ({ ...e, at: e.at.getTime() })), state.selected);
  drawLog($("log"), state.past, { movesOnly: $("moves-only").checked, reasons: state.reasons, open });
  drawDetail();
}

// open shows the explanation of a VM or host. opener gets the focus back.
function open(id, opener) {
  if (state.selected !== id) state.explained = "";
  Object.assign(state, { selected: id, opener: opener ?? state.opener, arriving: true });
  history.replaceState(null, "", `#${id}`);
  draw();
}

function close() {
  const { opener, selected } = state;
  Object.assign(state, { selected: null, opener: null, explained: "" });
  history.replaceState(null, "", location.pathname);
  set($("detail"), { hidden: true });
  draw();
  if (opener?.isConnected) opener.focus();
  else keys.focus(selected);
}

let explaining = 0;

async function drawDetail() {
  const { selected: id, model: m } = state;
  if (!id || !m) return;
  const host = m.byID.get(id);
  const on = host ?? m.hosts.find((h) => h.segments.some((s) => s.id === id));
  const vm = on?.segments.find((s) => s.id === id);
  const show = (title, kind, nodes) => {
    const panel = $("detail");
    const body = nodes.filter(Boolean);
    // Nothing is disturbed while nothing changes: a selection, a scroll position.
    const digest = title + body.map((n) => n.textContent).join("\n");
    if (panel.hidden || state.explained !== digest) {
      const scroll = panel.scrollTop, unfolded = [...panel.querySelectorAll("details[open]")].map((d) => d.dataset.key);
      const focused = panel.contains(document.activeElement) ? document.activeElement.textContent : null;
      panel.replaceChildren(head(title, kind, close), ...body);
      for (const d of panel.querySelectorAll("details")) d.open = unfolded.includes(d.dataset.key);
      panel.scrollTop = scroll;
      if (focused !== null && !state.arriving) ([...panel.querySelectorAll("button")].find((b) => b.textContent === focused) ?? $("detail-title")).focus();
    }
    state.explained = digest;
    set(panel, { hidden: false });
    if (state.arriving) $("detail-title").focus({ preventScroll: matchMedia("(min-width: 70rem)").matches });
    state.arriving = false;
  };
  if (host) return show(host.name, "Host", hostDetail(host, { open, reasons: state.reasons, drain: drainOf(host) }));
  const mine = ++explaining;
  try {
    const e = await ask(`/v1/explain/${encodeURIComponent(id)}`);
    if (mine === explaining && state.selected === id) show(e.domain.name, "VM", vmDetail(e, { reasons: state.reasons, move: vm?.moving, host: on }));
  } catch (e) {
    if (mine === explaining && state.selected === id) show(vm?.name ?? "VM", "VM", failed(e.message));
  }
}

// drainOf is what draining the host does or would do. It is asked now and then;
// a host that does not answer has said nothing.
function drainOf(host) {
  const { drain } = state;
  if (!host.silent && (drain.host !== host.id || Date.now() - drain.asked > 5000)) {
    state.drain = { host: host.id, asked: Date.now(), answer: drain.host === host.id ? drain.answer : null };
    const mine = state.drain;
    ask(`/v1/drain?host=${encodeURIComponent(host.id)}`).then((answer) => {
      mine.answer = answer;
      if (state.selected === host.id) drawDetail();
    }, () => {});
  }
  return state.drain.host === host.id ? state.drain.answer : null;
}

const keys = keyboard($("hosts"), { open, close, filter: $("filter"), isOpen: () => state.selected !== null });

for (const id of ["filter", "sort", "measure"]) {
  $(id).addEventListener("input", () => {
    state[id] = id === "filter" ? $(id).value.trim().toLowerCase() : $(id).value;
    draw();
  });
}
$("moves-only").addEventListener("change", draw);
$("tools").addEventListener("submit", (e) => e.preventDefault());
// The chart and the moves under way are drawn to measure.
new ResizeObserver(() => state.report && draw()).observe($("stage"));
addEventListener("hashchange", () => location.hash.length > 1 && open(location.hash.slice(1)));
setInterval(freshness, 1000);
if (location.hash.length > 1) state.selected = location.hash.slice(1);
run();
