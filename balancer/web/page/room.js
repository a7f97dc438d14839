// What the fleet has room for, when moves may begin, and what a host asks of its
// VMs' placement: in words, as the command line says them.
import { bytes, clock, cpus, lasting, plural, valid } from "./format.js";

const known = (reason) => reason && reason !== "ok";

const size = (load) => `${cpus(load.cpu_millis ?? 0)} and ${bytes(load.memory_bytes ?? 0)}`;

// room says how many more VMs fit, and whether the fleet would bear the loss of a
// host (loss). figure is for a glance, text is the whole; short means that it is
// worth a look.
export function room(r, reasons) {
  if (!r?.hosts) return null;
  const sized = Boolean(r.size?.cpu_millis || r.size?.memory_bytes);
  const name = r.hardest_loss_name || "one of the hosts";
  const then = known(r.binding) ? `, on most hosts, ${reasons[r.binding] ?? r.binding}` : "";
  const fits = !sized ? "" : r.domains ? `Room for ${plural(r.domains, "more VM")} of ${size(r.size)}${then && `; then${then}`}. ` : `No room for a VM of ${size(r.size)}${then && `: with it${then}`}. `;
  const loss = r.survives_host_loss
    ? r.exact ? "Without any one host, each of its VMs finds a place on the others." : `Without any one host, what it runs fits on the others in sum; ${name} is the hardest to lose.`
    : r.exact ? `Without ${name}, not all of its VMs find a place on the others.` : `Without ${name}, what it runs does not fit on the others.`;
  return {
    figure: sized ? `${r.domains || "no"} more` : "–",
    loss: Boolean(r.survives_host_loss),
    text: fits + loss,
    short: sized && r.domains === 0 || !r.survives_host_loss,
  };
}

// shortage says what would help a host that nobody can relieve.
export function shortage(s, reasons) {
  const counts = (s.tally ?? []).map((t) => `${t.count}: ${reasons[t.reason] ?? t.reason}`).join("; ");
  return s.domain
    ? `A host that takes ${s.name} (${size(s.size ?? {})}) would help. Of the other hosts, ${counts}.`
    : `None of its VMs may move, wherever there is room. Of them, ${counts}.`;
}

// opening says until when no load-driven move may begin.
export function opening(closed, now = Date.now()) {
  if (!valid(closed.opens)) return "not within a year";
  const at = new Date(closed.opens);
  return `from ${clock(at)} on, in ${lasting((at - now) / 1000)}`;
}

// mode is the mode of a host in a few words.
export const mode = (r) => `${r.mode}${r.paused ? ", paused" : ""}${r.closed ? ", closed now" : ""}`;

// rules are what the owner of a VM asks of its placement.
export function rules(d) {
  const group = { affinity: "on one host with group", "anti-affinity": "on another host than the rest of group" };
  return [
    d.ignore && "left alone: the balancer ignores it",
    d.pin && "pinned to its host",
    ...(d.requires ?? []).map((l) => `requires the label ${l}`),
    ...(d.groups ?? []).map((g) => `${group[g.rule] ?? g.rule} ${g.group}${g.soft ? ", if possible" : ""}`),
    d.priority && `priority ${d.priority}: ${d.priority < 0 ? "moves before others" : "moves after others"}`,
    d.override && d.override !== "auto" && (d.override === "never" ? "moves only when a person says so" : "moves are proposed, and a person agrees"),
  ].filter(Boolean);
}
