// Numbers, times and names as people read them.

export const names = new Map();

const UTC = { timeZone: "UTC", hour12: false };
const clockFormat = new Intl.DateTimeFormat("en-GB", { ...UTC, hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { ...UTC, day: "numeric", month: "short" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { ...UTC, weekday: "short", day: "numeric", month: "short", year: "numeric" });
const countFormat = new Intl.NumberFormat("en-GB");

export const clock = (ms) => clockFormat.format(ms);
export const date = (ms) => dateFormat.format(ms);
export const count = (n) => countFormat.format(Math.round(n));
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)}%`);
export const ms = (rfc3339) => Date.parse(rfc3339);

/** A moment, with its day where that is not the day of `now`. */
export const moment = (at, now) =>
  now !== null && dayFormat.format(at) === dayFormat.format(now) ? clock(at) : `${dayFormat.format(at)}, ${clock(at)}`;

export const span = (milliseconds) => {
  const minutes = Math.max(0, Math.round(milliseconds / 60000));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
};

export const figure = (value) => (value >= 10 ? count(value) : String(Math.round(value * 10) / 10));

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** What a record named itself, such as `product:steam-pro-6`, as people write it. */
const readable = (id) => /^(product|brand):/.test(id)
  ? id.replace(/^\w+:/, "").split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ") : id;

/** A series for people: what it is about, of which part, and its kind. */
export const spoken = (series) => {
  const [root, part] = series.split("|");
  const [kind, ...rest] = root.split(":");
  const id = rest.join(":");
  const name = kind === "entity" ? names.get(id) ?? readable(id) : id;
  return { name, part: part ? part.replace(/^topic:/, "") : "", kind: part ? "entity|topic" : kind, root };
};

export const KIND = { entity: "company", "entity|topic": "topic of a company", topic: "topic", stream: "stream" };
export const STATE = {
  ringing: "ringing", recovering: "easing", pending: "gathering", quiet: "quiet",
  learning: "learning", unwatched: "not watched by a rule",
};
