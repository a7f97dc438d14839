// Numbers and times as people read them. Fractions are 0..1 up to here.

export const percent = (f) => `${f >= 0.0995 || f === 0 ? Math.round(f * 100) : (f * 100).toFixed(1)} %`;

export const cpus = (millis) => `${(millis / 1000).toFixed(millis < 9995 ? 2 : 1)} CPU`;

export function bytes(n) {
  for (const [unit, name] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"]]) {
    if (n >= unit) return `${(n / unit).toFixed(n / unit < 10 ? 1 : 0)} ${name}`;
  }
  return `${Math.round(n / 1024)} KiB`;
}

export function lasting(seconds) {
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// clock tells the time of day, with the day if it is not today's.
export function clock(date, now = new Date()) {
  return date.toDateString() === now.toDateString() ? clockFormat.format(date) : dayFormat.format(date);
}

// valid tells a time from Go's zero time and from what is missing.
export const valid = (text) => Boolean(text) && !text.startsWith("0001");

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

// sentence makes one of a clause.
export const sentence = (text) => text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "";
