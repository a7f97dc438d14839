// What stands above the hosts: how the fleet is, in a sentence and a few
// figures, and what goes on now.
import { el, keyed, set, text } from "./dom.js";
import { lasting, percent, plural, sentence } from "./format.js";
import { verdict } from "./model.js";
import { mode, opening, room, shortage } from "./room.js";

const most = 6;

export function drawVerdict(heading, m) {
  const v = verdict(m);
  text(heading, v.text);
  set(heading, { class: v.tone });
}

export function drawFigures(list, m) {
  const own = m.hosts.find((h) => h.self);
  const used = m.hosts.reduce((s, h) => s + h.raw.used.cpu_millis, 0) / Math.max(1, m.hosts.reduce((s, h) => s + h.capacity.cpu_millis, 0));
  const fresh = m.hosts.filter((h) => !h.stale).length;
  const all = m.hosts.length + m.missing.length;
  const fits = room(own?.report?.room, {});
  const figures = [
    ["Hosts", fresh === all ? `${fresh}` : `${fresh} of ${all} fresh`],
    ["VMs", `${m.vms}`],
    ["CPU used", percent(used)],
    ["Room for", fits?.figure ?? "–"],
    ["N+1", fits ? (fits.loss ? "holds" : "short") : "–"],
    ["Mode", own?.report ? mode(own.report) : "–"],
    ["Seen from", own?.name ?? "–"],
  ];
  keyed(list, figures, (f) => f[0], (f) => el("div", {}, el("dt", {}, f[0]), el("dd")), (e, f) => text(e.lastChild, f[1]));
}

// drawRoom says what the fleet yet has room for, as the page's host sees it.
export function drawRoom(line, m, reasons) {
  const r = room(m.hosts.find((h) => h.self)?.report?.room, reasons);
  text(line, r?.text ?? "");
  set(line, { class: r?.short ? "short" : "", hidden: !r });
}

// closedNotices say which hosts may not begin moves at this time, and until when.
function closedNotices(m) {
  const closed = m.hosts.filter((h) => h.report?.closed && !h.silent);
  if (!closed.length) return [];
  const until = Object.values(Object.groupBy(closed, (h) => h.report.closed.opens ?? ""));
  return until.map((hosts) => ({
    key: `c${hosts[0].report.closed.opens ?? ""}`, tone: "plain", id: hosts.length === 1 ? hosts[0].id : null,
    text: hosts.length === m.hosts.length ? "Outside the time windows" : `Outside the time windows: ${hosts.length > 3 ? plural(hosts.length, "host") : hosts.map((h) => h.name).join(", ")}`,
    more: `Moves for load may begin ${opening(hosts[0].report.closed)}; drains, broken rules and a person’s word go before that.`,
  }));
}

// missingNotice names the known hosts that are gone, as the page's host sees it.
function missingNotice(m) {
  if (!m.missing.length) return [];
  const names = m.missing.map((h) => h.name);
  const last = (Date.now() - Math.max(...m.missing.map((h) => h.seen))) / 1000;
  return [{
    key: "missing", tone: "over", text: `Missing: ${names.length > 3 ? plural(names.length, "host") : names.join(", ")}`,
    more: `${names.length === 1 ? "It was" : "The last of them was"} last seen ${lasting(last)} ago.`,
  }];
}

// idleNotices name the hosts that run nothing, where hosts are emptied.
function idleNotices(m) {
  const idle = m.hosts.find((h) => h.self)?.report?.idle ?? [];
  const names = idle.map((id) => m.names.get(id) ?? id).sort();
  return names.length ? [{ key: "idle", tone: "plain", text: names.length > 3 ? `${names.length} hosts run nothing` : `${names.join(", ")}: nothing runs there`, more: "They could be switched off." }] : [];
}

// drawNotices lists moves, proposals, drains and what a person must look at.
export function drawNotices(list, m, { open, reasons }) {
  const all = [
    ...m.alarms.map((v) => ({ key: `a${v.from} ${v.domain}`, tone: "over", text: `A person must look at ${v.name}, on its way from ${v.fromName} to ${v.toName}: ${reasons[v.alarm] ?? v.alarm.replaceAll("_", " ")}.`, id: v.from })),
    ...missingNotice(m),
    ...m.moves.filter((v) => !v.alarm).map((v) => ({
      key: v.op, tone: "moving", move: v, id: v.domain,
      text: `${v.name} moves from ${v.fromName} to ${v.toName}`,
      more: `${v.done > 0 ? `${percent(v.done)} copied` : v.phase}, for ${lasting((Date.now() - v.opened) / 1000)} of about ${lasting(v.predicted)}`,
    })),
    ...m.hosts.filter((h) => h.report?.shortage && !h.silent).map((h) => ({ key: `s${h.id}`, tone: "over", id: h.id, text: `Nobody relieves ${h.name}`, more: shortage(h.report.shortage, reasons) })),
    ...m.hosts.filter((h) => h.flags.includes("draining")).map((h) => ({ key: `d${h.id}`, tone: "plain", id: h.id, text: `${h.name} is being drained`, more: `${plural(h.running, "VM")} left` })),
    ...m.proposals.map((p) => ({ key: `p${p.domain}`, tone: "plain", id: p.domain, text: `Proposed, not made: ${p.name} from ${p.fromName} to ${p.toName}`, more: sentence(p.hold) })),
    ...closedNotices(m),
    ...idleNotices(m),
  ];
  const shown = all.slice(0, most);
  if (all.length > most) shown.push({ key: "more", tone: "plain", text: `and ${all.length - most} more` });
  keyed(list, shown, (n) => n.key, make, (e, n) => {
    set(e, { class: `notice ${n.tone}` });
    const [title, more, bar] = e.children;
    text(title, n.text);
    set(title, { disabled: !n.id, onclick: n.id ? () => open(n.id, title) : null });
    text(more, n.more ?? "");
    set(bar, { hidden: !n.move });
    if (n.move) set(bar, { value: n.move.done, "aria-label": `${n.move.name}: share copied` });
  });
}

const make = () => el("li", {}, el("button", { type: "button", class: "link" }), el("span", { class: "more" }), el("progress", { max: 1 }));

// drawFreshness says how old what is shown is, and what is wrong.
export function drawFreshness({ label, problem, body }, state, now) {
  const age = (now - state.received) / 1000;
  const lost = state.failedSince !== null;
  if (!state.received) text(label, "connecting");
  else text(label, lost ? "not live" : "live");
  set(label, { class: lost ? "lost" : "live" });
  set(body, { class: lost && state.received ? "lost" : "" });
  set(problem, { hidden: !lost || (age < 3 && Boolean(state.received)) });
  if (problem.hidden) return;
  const since = state.received ? `No answer from the daemon since ${lasting(age)}.` : "No answer from the daemon.";
  const what = state.error ? ` ${sentence(state.error)}` : "";
  const then = state.received ? ` What you see is from ${new Date(state.received).toLocaleTimeString("en-GB")}.` : "";
  text(problem, `${since}${what}${then} Asking again every second.`);
}
