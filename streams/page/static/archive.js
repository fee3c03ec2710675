// Looking back: documents of the archive, by words and by meaning, of a series, of an alert.

import { $, h, link, quote, switches } from "./dom.js";
import { moment, percent, plural, spoken } from "./words.js";

const OPEN = "\ue000", CLOSE = "\ue001"; // around what was asked for
const PERIODS = { hour: 3600000, day: 86400000, week: 604800000 };
const PAUSE_MS = 300;

let now = () => null;
let about = { series: "", since: "", until: "", alert: "" };
let how = "both";
let sentiment = "";
let asking = null;
let pause = 0;

const title = (series) => {
  const { name, part } = spoken(series);
  return [quote(name), part && h("span", { class: "part" }, quote(part))];
};

/** Text with the words that were asked for in marks, all of it text. */
const marked = (text) => text.split(OPEN).flatMap((piece, i) => {
  if (i === 0) return [piece];
  const end = piece.indexOf(CLOSE);
  return end < 0 ? [piece] : [h("mark", {}, piece.slice(0, end)), piece.slice(end + 1)];
});

/** Marked text in two: the first `count` characters of it, marks not counted, and the rest. */
const cut = (text, count) => {
  let at = 0, inside = false;
  for (let seen = 0; at < text.length && (seen < count || text[at] === CLOSE); at += 1) {
    if (text[at] === OPEN || text[at] === CLOSE) inside = text[at] === OPEN;
    else seen += 1;
  }
  return inside ? [text.slice(0, at) + CLOSE, OPEN + text.slice(at)] : [text.slice(0, at), text.slice(at)];
};

const found = (one) => {
  const stem = one.title.replace(/…$/, ""), more = stem === one.title ? "" : "…";
  const body = one.text.startsWith(stem) ? `${more}${one.text.slice(stem.length).trim()}` : one.text;
  let head = one.title || "(without a title)", excerpt = [body.slice(0, 240), body.length > 240 && "…"];
  if (one.marked.includes(OPEN)) {
    const plain = one.marked.replaceAll(OPEN, "").replaceAll(CLOSE, "");
    if (stem && plain.startsWith(stem)) {
      const [first, rest] = cut(one.marked, stem.length);
      head = [...marked(first), more];
      excerpt = rest.trim() ? [more, ...marked(rest.trim())] : excerpt;
    } else excerpt = marked(one.marked);
  }
  const by = [one.by_words && "words", one.by_meaning && "meaning"].filter(Boolean).join(" and ");
  return h("li", { class: `found ${one.sentiment}` },
    h("p", { class: "told", dir: "auto" }, link(one.url, head)),
    excerpt.some(Boolean) && h("p", { class: "excerpt", dir: "auto" }, h("bdi", {}, ...excerpt)),
    h("p", { class: "from" }, h("span", { class: `mood ${one.sentiment}` }, `${one.sentiment} ${percent(one.probability)}`), " · ",
      one.source && [quote(one.source), " · "], moment(one.event_ms, now()), one.topic && [" · ", quote(one.topic)], by && ` · by ${by}`),
    one.entities.length > 0 && h("p", { class: "toward" }, one.entities.slice(0, 8).map((entity) =>
      h("span", { class: `chip ${entity.sentiment}` }, quote(entity.name)))),
    body.length > 240 && h("details", {}, h("summary", {}, "The whole text"), h("p", { class: "whole", dir: "auto" }, quote(one.text))));
};

/** Put something else into the list. Whoever had walked to a document stays at it where it is there again, or goes back
    to the words. */
const show = (...items) => {
  const at = document.activeElement, before = at?.closest("#archive-list .found");
  const told = (item) => item.querySelector(".told")?.textContent;
  $("archive-list").replaceChildren(...items);
  if (before) (items.find((item) => told(item) === told(before))?.querySelector(at.localName) ?? $("archive-words")).focus();
};

const say = (lead, ...text) => show(h("li", { class: "empty" }, h("p", { class: "lead" }, lead), h("p", {}, ...text)));

const status = (text) => { $("archive-status").textContent = text; };

const scope = () => {
  const place = $("archive-about");
  place.hidden = !about.series;
  place.replaceChildren(...(about.series ? [
    h("span", {}, about.alert ? "What rang: " : "Only: ", h("b", {}, title(about.series))),
    h("button", { type: "button", class: "plain drop", "aria-label": "Look everywhere", onclick: () => { about = { series: "", since: "", until: "", alert: "" }; scope(); ask(); $("archive-words").focus(); } }, "×")] : []));
  $("archive-period").disabled = Boolean(about.since);
};

const question = () => {
  const asked = new URLSearchParams({ how });
  const add = (name, value) => { if (value) asked.set(name, value); };
  add("question", $("archive-words").value.trim());
  add("series", about.series);
  add("sentiment", sentiment);
  const period = PERIODS[$("archive-period").value];
  add("since", about.since || (period && now() !== null && new Date(now() - period).toISOString()));
  add("until", about.until);
  return asked;
};

const ask = async () => {
  clearTimeout(pause);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  $("archive-list").setAttribute("aria-busy", "true");
  status("Looking…");
  try {
    const answer = await fetch(`/documents?${question()}`, { signal });
    const told = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
    if (!answer.ok) {
      status("");
      if (answer.status === 404) say("No archive here.", "Run ", h("code", {}, "tocsin archive"), " beside this worker: from then on every document and alert can be found again here.");
      else say(answer.status === 503 ? "One moment." : "That cannot be asked.", told.error);
      return;
    }
    const list = told.documents;
    status([list.length ? `${list.length === told.most ? "The first " : ""}${plural(list.length, "document")}${$("archive-words").value.trim() ? "" : ", the newest first"}` : "", ...told.notes].filter(Boolean).join(" · "));
    if (list.length) show(...list.map(found));
    else say("Nothing found.", about.series || sentiment || $("archive-period").value ? "Ask for less: another period, every sentiment, or everywhere." : "Try other words. What has just been scored is here within a second.");
  } catch (error) {
    if (error.name === "AbortError") return;
    status("");
    say("No answer.", "The worker does not answer. What it has kept is safe; ask again when it is back.");
  } finally {
    if (!signal.aborted) $("archive-list").removeAttribute("aria-busy");
  }
};

/** Open the archive; `where` may hold a series, since and until (RFC 3339), and the alert they come from. */
export const open = (where = {}) => {
  about = { series: "", since: "", until: "", alert: "", ...where };
  scope();
  if (!$("archive").open) $("archive").showModal();
  $("archive-words").focus();
  ask();
};

export const begin = (clock) => {
  now = clock;
  const dialog = $("archive");
  $("find").addEventListener("click", () => open(about));
  $("archive-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (!dialog.open) asking?.abort(); });
  $("archive-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  $("archive-words").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(ask, PAUSE_MS); });
  $("archive-period").addEventListener("change", ask);
  switches($("archive-how"), (button) => { how = button.dataset.how; ask(); });
  switches($("archive-mood"), (button) => { sentiment = button.dataset.mood; ask(); });
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.target.closest("select")) return;
    const all = [$("archive-words"), ...$("archive-list").querySelectorAll("a, summary")];
    const next = all[all.indexOf(document.activeElement) + by];
    if (next) { event.preventDefault(); next.focus(); }
  });
};
