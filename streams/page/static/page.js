// The live page: one stream of events in, everything drawn from what it told.

import { $, h, link, quote, switches } from "./dom.js";
import { mix, trace } from "./chart.js";
import { clock, count, date, figure, moment, names, plural } from "./words.js";
import * as alerts from "./alerts.js";
import * as archive from "./archive.js";
import * as model from "./model.js";
import * as series from "./series.js";

const STALE_MS = 6000;
const TRACED = 120;
const MOST_DOCUMENTS = 40;
const MOST_DRIFTS = 12;

const held = { status: null, rows: new Map(), mixes: new Map(), alerts: new Map(), documents: [], drifts: [] };
let changed = new Set();
let fresh = true; // the next frame holds everything
let heardAt = 0;
let paused = false;
let rates = [];
let drawing = false;

const ask = alerts.asking();

const take = (frame) => {
  if (fresh) {
    held.rows.clear(); held.mixes.clear(); held.alerts.clear();
    held.documents = []; held.drifts = [];
    fresh = false;
    changed = new Set(["*"]);
  }
  held.status = frame.status ?? held.status;
  for (const [id, name] of Object.entries(frame.names ?? {})) names.set(id, name);
  for (const row of frame.series ?? []) { held.rows.set(row.name, row); changed.add(row.name); }
  for (const [name, counts] of Object.entries(frame.mixes ?? {})) { held.mixes.set(name, counts); changed.add(name); }
  if (frame.order) {
    const here = new Set(frame.order);
    for (const name of held.rows.keys()) if (!here.has(name)) { held.rows.delete(name); changed.add("*"); }
  }
  for (const each of frame.alerts ?? []) held.alerts.set(each.alert.alert_id, each);
  for (const id of frame.gone ?? []) held.alerts.delete(id);
  if (frame.documents) held.documents = [...held.documents, ...frame.documents].slice(-MOST_DOCUMENTS);
  for (const alarm of frame.drifts ?? []) held.drifts = [...held.drifts, alarm].sort((a, b) => b.event_ms - a.event_ms).slice(0, MOST_DRIFTS);
  if (frame.line) model.begin(frame.line);
  if (frame.status?.rate !== null && frame.status?.rate !== undefined) rates = [...rates, frame.status.rate].slice(-TRACED);
};

const tile = (id, figureText, underText) => {
  const place = $(id), [shown, under] = [place.querySelector(".figure"), place.querySelector(".under")];
  if (shown && shown.textContent !== figureText) shown.textContent = figureText;
  if (under.textContent !== underText) under.textContent = underText;
  return place;
};

const drawTiles = () => {
  const { status } = held;
  const standing = [...held.alerts.values()].filter((each) => alerts.standing(each) && !each.spoken_for_by);
  const known = standing.filter((each) => each.said.some((said) => said.verdict === "acknowledge")).length;
  const ringing = standing.filter((each) => each.alert.state === "firing").length;
  tile("tile-ringing", ringing ? String(ringing) : "0", standing.length
    ? [ringing < standing.length && `${standing.length - ringing} easing`, known && `${known} acknowledged`].filter(Boolean).join(" · ") || "none acknowledged yet"
    : status.learning ? "still learning what is normal" : "all quiet").dataset.state = ringing ? "ringing" : standing.length ? "easing" : "quiet";
  document.title = ringing ? `(${ringing}) tocsin` : "tocsin";
  const mood = [0, 0, 0];
  for (const [name, counts] of held.mixes) if (name.startsWith("stream:")) counts.forEach((n, i) => { mood[i] += n; });
  const tilted = $("tile-mood");
  tilted.querySelector(".mix").replaceChildren(mix(mood, true));
  tilted.querySelector(":scope > .under").textContent = mood.some(Boolean) ? `of ${plural(mood[0] + mood[1] + mood[2], "document")} scored by this worker` : "";
  const rate = tile("tile-rate", status.rate === null ? "–" : `${figure(status.rate)}/s`,
    `${count(status.scored)} scored${status.dead ? ` · ${plural(status.dead, "dead letter")}` : ""}`);
  rate.querySelector(".trace")?.remove();
  rate.append(trace(rates));
  tile("tile-lag", count(status.lag), status.latency === null ? "records waiting" : `records · 95 of 100 within ${status.latency < 1 ? `${status.latency * 1000} ms` : `${status.latency} s`}`)
    .dataset.state = status.lag > 10000 ? "easing" : "";
  tile("tile-clock", status.stream_ms === null ? "–" : clock(status.stream_ms), status.stream_ms === null ? "nothing counted yet"
    : `${date(status.stream_ms)} · ${plural(status.series, "series", "series")}`);
  $("instance").textContent = status.instance + (status.embedded ? " · demo" : "");
  $("release").textContent = status.release ? `Release ${status.release}, ${status.precision} on ${status.provider}.` : "This worker does not score.";
};

const drawDocuments = () => {
  if (paused) return;
  const now = held.status?.stream_ms ?? null;
  const list = $("document-list");
  if (!held.documents.length) return;
  list.replaceChildren(...[...held.documents].reverse().map((one) => h("li", { class: one.sentiment },
    h("p", { class: "told", dir: "auto" }, link(one.url, one.title || "(without a title)")),
    h("p", { class: "from" }, h("span", { class: `mood ${one.sentiment}` }, one.sentiment), " · ", one.source && [quote(one.source), " · "], moment(one.event_ms, now), one.topic && [" · ", quote(one.topic)]),
    one.entities.length > 0 && h("p", { class: "toward" }, one.entities.map(([name, mood]) => h("span", { class: `chip ${mood}` }, quote(name)))))));
};

const notice = () => {
  const stale = Date.now() - heardAt > STALE_MS, { status } = held;
  const link_ = $("link");
  const state = !heardAt ? "waiting" : stale ? "lost" : status.ready ? "live" : "waiting";
  if (link_.dataset.state !== state) {
    link_.dataset.state = state;
    link_.lastElementChild.textContent = { waiting: heardAt ? "not ready" : "connecting", lost: "lost", live: "live" }[state];
  }
  let text = "";
  if (heardAt && stale) text = `No word from the worker for ${Math.round((Date.now() - heardAt) / 1000)} s. What you see is old; the page keeps trying.`;
  else if (status && !status.alerts_read) text = "Alerts cannot be read from Kafka just now. The series below are live.";
  else if (status && status.watched === 0) text = "This worker watches no series at present: it is starting, or another worker does.";
  else if (status && status.watched < status.partitions) text = `This worker watches ${status.watched} of ${status.partitions} parts of the series; the others are on the pages of other workers. Alerts are complete.`;
  const place = $("notice");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
  document.body.classList.toggle("old", Boolean(heardAt && stale));
};

const draw = () => {
  drawing = false;
  if (!held.status) return;
  const touched = changed.has("*") ? new Set(held.rows.keys()) : changed;
  changed = new Set();
  drawTiles();
  alerts.draw(held.alerts, held.status, ask);
  series.draw(held.rows, held.mixes, touched);
  drawDocuments();
  model.draw(held.status, held.drifts);
  notice();
};

const schedule = () => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
};

const connect = () => {
  const source = new EventSource("/events");
  source.addEventListener("open", () => { fresh = true; });
  source.addEventListener("message", (event) => {
    heardAt = Date.now();
    take(JSON.parse(event.data));
    schedule();
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    // Refused for good: it may ask for a token now, or have too many lookers.
    setTimeout(async () => {
      const answer = await fetch("/", { redirect: "manual" }).catch(() => null);
      if (answer?.type === "opaqueredirect") location.assign("/login");
      else connect();
    }, 2000);
  });
};

const themes = ["system", "light", "dark"];
const dress = (theme) => {
  document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-label", `Colours: ${theme === "system" ? "as the system" : theme}`);
  $("theme").title = $("theme").getAttribute("aria-label");
};
dress(localStorage.getItem("tocsin-theme") ?? "system");
$("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  localStorage.setItem("tocsin-theme", next);
  dress(next);
});

const redraw = () => {
  if (!held.status) return;
  alerts.draw(held.alerts, held.status, ask);
  series.draw(held.rows, held.mixes, new Set(), true);
};
alerts.begin(redraw);
series.begin(redraw);
archive.begin(() => held.status?.stream_ms ?? null);
switches($("pause").parentElement, (button) => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Go on" : "Pause";
  drawDocuments();
});
document.addEventListener("click", (event) => {
  const look = event.target.closest("button[data-look]");
  if (look) archive.open({ series: look.dataset.look, since: look.dataset.since ?? "", until: look.dataset.until ?? "", alert: look.dataset.of ?? "" });
  const button = event.target.closest("button[data-series]");
  if (!button) return;
  series.choose(button.dataset.series);
  if (!button.closest("#series-list")) document.querySelector(".series").scrollIntoView({ block: "nearest", behavior: "smooth" });
});
document.addEventListener("keydown", (event) => {
  // A dialog that was just closed holds the focus until the next frame: nobody types into it any more.
  const typing = event.target.closest("dialog[open], :is(input, textarea):not(dialog *)");
  if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); }
  if (event.key === "s" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); archive.open(); }
  if (event.key === "Escape" && event.target === $("search")) { $("search").value = ""; $("search").dispatchEvent(new Event("input")); $("search").blur(); }
});
setInterval(() => { if (heardAt) notice(); }, 1000);
connect();
