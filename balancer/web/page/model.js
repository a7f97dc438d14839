// What the page shows, computed from what the daemon reports. Nothing here
// touches the document.

export const flags = { cordoned: 1, draining: 2, paused: 4, blind: 8, frozen: 16, emptying: 32 };

// model makes the view of a fleet report, as /v1/fleet gives it.
export function model(report, measure = "cpu") {
  const names = new Map(report.hosts.map((h) => [h.id, h.name]));
  const hosts = report.hosts.map((h) => host(h, measure));
  const byID = new Map(hosts.map((h) => [h.id, h]));
  const moves = report.hosts.flatMap((h) => h.silent ? [] : (h.report?.operations ?? []).map((o) => move(o, names)));
  for (const m of moves) {
    const segment = byID.get(m.from)?.segments.find((s) => s.id === m.domain);
    if (segment) segment.moving = m;
    const target = byID.get(m.to);
    if (target) target.arriving.push({ ...m, share: share(m.load, target, measure) });
    for (const h of [byID.get(m.from), target]) if (h) h.inMove = true;
  }
  const own = report.hosts.find((h) => h.self)?.report;
  return {
    hosts, byID, moves, names,
    alarms: alarms(report.hosts, moves, names),
    missing: (own?.fleet?.missing ?? []).map((h) => ({ name: h.name || h.id, seen: new Date(h.last_seen) })),
    proposals: proposals(report.hosts, moves, names),
    marks: own?.marks,
    measure,
    vms: hosts.reduce((n, h) => n + h.running, 0),
  };
}

function host(h, measure) {
  const report = h.report ?? null;
  const used = part(h.used, h.capacity, measure);
  const domains = (report?.domains ?? []).map((d) => ({
    id: d.id, name: d.name, share: part(d.demand, h.capacity, measure), domain: d, moving: null,
  })).sort((a, b) => b.share - a.share || (a.id < b.id ? -1 : 1));
  // The demand of a domain counts what it waited for, too, and the two figures
  // are not of the same instant: the bar is as long as the use of the host.
  const sum = domains.reduce((s, d) => s + d.share, 0);
  const scale = sum > used ? used / sum : 1;
  const has = (flag) => (h.flags & flags[flag]) !== 0;
  const stale = Boolean(h.stale || h.silent && !h.self);
  const marks = report?.marks ?? null;
  return {
    id: h.id, name: h.name, self: Boolean(h.self), report, silent: h.silent ?? "", stale,
    age: h.stale ? h.age_seconds : h.report_age_seconds ?? 0,
    heard: h.age_seconds, capacity: h.capacity, raw: h,
    used,
    promised: part(h.promised, h.capacity, measure),
    segments: domains.map((d) => ({ ...d, width: d.share * scale })),
    other: Math.max(0, used - sum),
    arriving: [],
    inMove: false,
    running: h.running ?? 0,
    marks,
    over: measure === "cpu" && !has("blind") && marks !== null && used > marks.high,
    flags: Object.keys(flags).filter(has),
    hold: report?.hold, holdText: report?.hold_text ?? "",
  };
}

const part = (load, capacity, measure) => measure === "memory"
  ? (load?.memory_bytes ?? 0) / Math.max(1, capacity.memory_bytes ?? 0)
  : (load?.cpu_millis ?? 0) / Math.max(1, capacity.cpu_millis ?? 0);

const share = (load, target, measure) => part(load, target.capacity, measure);

// move is an operation that runs.
function move(o, names) {
  return {
    op: o.op, domain: o.move.domain, name: o.move.name, from: o.move.from, to: o.move.to,
    fromName: names.get(o.move.from) ?? o.from_name ?? o.move.from, toName: names.get(o.move.to) ?? o.to_name ?? o.move.to,
    load: o.move.load, done: Math.min(1, o.done ?? 0), phase: o.phase, why: o.move.why,
    raw: o.move, opened: new Date(o.opened), predicted: o.move.duration_ns / 1e9,
    alarm: o.alarm && o.alarm !== "ok" ? o.alarm : "",
  };
}

// alarms are what a person must look at: the moves that say so, and what their
// targets have been told of those whose source is silent.
function alarms(hosts, moves, names) {
  const known = moves.filter((m) => m.alarm);
  const told = hosts.flatMap((h) => h.silent ? [] : (h.report?.alarms ?? []).map((a) => ({
    domain: a.domain, name: a.name, alarm: a.reason, from: a.from, fromName: names.get(a.from) ?? a.from_name ?? a.from, toName: h.name,
  })));
  return [...known, ...told.filter((a) => !known.some((m) => m.domain === a.domain && m.from === a.from))];
}

// proposals are moves that hosts have decided and do not make.
function proposals(hosts, moves, names) {
  return hosts.flatMap((h) => {
    const d = h.report?.decisions?.[0];
    if (!d?.move || d.hold === "ok" || d.hold !== h.report.hold || h.silent || moves.some((m) => m.domain === d.move.domain)) return [];
    return [{ ...d.move, fromName: h.name, toName: names.get(d.move.to) ?? d.to_name, hold: d.hold_text, whyText: d.why_text }];
  });
}

// Of more hosts than this each has one line only, but for the first wideMost of
// those that stand out.
const lineAbove = 24, wideMost = 20;

// standsOut tells a host at which a person wants to look among hundreds: the
// smaller the number, the sooner. 0 is none.
function standsOut(h) {
  const signs = [h.flags.includes("frozen"), h.over, h.inMove, h.flags.includes("draining"), h.flags.includes("blind"), h.stale];
  return signs.indexOf(true) + 1;
}

// arranged filters and sorts the hosts, and says which of them have more than a
// line each. Whatever the order, it ends in the name.
export function arranged(m, { filter = "", sort = "load" } = {}) {
  const wanted = filter.trim().toLowerCase();
  const matches = (h) => !wanted || h.name.toLowerCase().includes(wanted) ||
    h.segments.some((s) => s.name.toLowerCase().includes(wanted)) || h.flags.some((f) => f.includes(wanted)) ||
    (h.over && "over".includes(wanted)) || (h.stale && "stale".includes(wanted));
  const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || (a.id < b.id ? -1 : 1);
  // Whole percents: hosts that are equally hot do not change places all the time.
  const order = {
    load: (a, b) => Math.round(b.used * 100) - Math.round(a.used * 100) || byName(a, b),
    name: byName,
    vms: (a, b) => b.running - a.running || byName(a, b),
  };
  const hosts = m.hosts.filter(matches).sort(order[sort] ?? byName);
  if (hosts.length <= lineAbove) return { hosts, wide: new Set(hosts) };
  const wide = new Set(hosts.filter(standsOut).sort((a, b) => standsOut(a) - standsOut(b) || order.load(a, b)).slice(0, wideMost));
  // By name, a host is sought by its name; else what stands out comes first, the
  // target of a move below its source.
  if (sort === "name") return { hosts, wide };
  const first = new Set();
  for (const h of hosts.filter((h) => wide.has(h) && !h.arriving.some((v) => wide.has(m.byID.get(v.from))))) {
    first.add(h);
    for (const v of m.moves) if (v.from === h.id && wide.has(m.byID.get(v.to))) first.add(m.byID.get(v.to));
  }
  return { hosts: [...new Set([...first, ...hosts.filter((h) => wide.has(h)), ...hosts])], wide };
}

// verdict says in a sentence how the fleet is.
export function verdict(m) {
  const list = (hosts) => {
    const names = hosts.map((h) => h.name).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    return names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more hosts` : names.join(names.length === 2 ? " and " : ", ");
  };
  const frozen = m.hosts.filter((h) => h.flags.includes("frozen"));
  const over = m.hosts.filter((h) => h.over);
  const stale = m.hosts.filter((h) => h.stale);
  if (frozen.length) return { text: `${list(frozen)}: a domain needs a person's eye`, tone: "over" };
  if (m.moves.length) {
    const others = over.filter((h) => !m.moves.some((v) => v.from === h.id));
    const what = m.moves.length > 1 ? `Moving ${m.moves.length} VMs` : `Moving ${m.moves[0].name} from ${m.moves[0].fromName} to ${m.moves[0].toName}`;
    return { text: others.length ? `${what}; ${list(others)} ${others.length === 1 ? "is over its" : "are over their"} high mark, too` : what, tone: "moving" };
  }
  if (over.length) return { text: `${list(over)} ${over.length === 1 ? "is over its" : "are over their"} high mark`, tone: "over" };
  if (stale.length) return { text: `No news from ${list(stale)}`, tone: "stale" };
  if (m.missing.length) return { text: `${list(m.missing)} ${m.missing.length === 1 ? "is" : "are"} missing`, tone: "stale" };
  if (m.hosts.length === 1) return { text: "This host is alone: no other has been heard from", tone: "stale" };
  return { text: "Nothing to do: all hosts are below their high mark", tone: "calm" };
}

// entries are the decisions and ended moves of all hosts, newest first.
export function entries(report) {
  const names = new Map(report.hosts.map((h) => [h.id, h.name]));
  const all = [];
  for (const h of report.hosts) {
    for (const o of h.report?.history ?? []) {
      all.push({
        key: `op-${o.op}`, kind: "move", at: new Date(o.ended), host: h.name, hostID: h.id,
        name: o.move.name, domain: o.move.domain, from: h.name, to: names.get(o.move.to) ?? o.to_name ?? o.move.to,
        result: o.result, reason: o.reason, detail: o.detail ?? "", operation: o,
      });
    }
    for (const d of h.report?.decisions ?? []) {
      all.push({
        key: `d-${h.id}-${d.at}`, kind: "decision", at: new Date(d.at), host: h.name, hostID: h.id,
        hold: d.hold, text: d.hold_text, decision: d, to: d.move ? names.get(d.move.to) ?? d.to_name : "",
      });
    }
  }
  return all.sort((a, b) => b.at - a.at || (a.key < b.key ? -1 : 1));
}
