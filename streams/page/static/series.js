// The list of series, and one of them in detail.

import { $, h, quote, switches } from "./dom.js";
import { dayChart, mix, sparkline } from "./chart.js";
import { KIND, STATE, count, figure, percent, spoken } from "./words.js";
import { spansOf } from "./alerts.js";

const GRAVITY = { ringing: 3, recovering: 2, pending: 1 };
const SORT_MS = 3000;
const MOST_DRAWN = 80;

let rows = new Map();
let mixes = new Map();
let kind = "";
let words = "";
let elsewhere = []; // series found on the server that the page does not hold
let chosen = null; // the name of the series in detail
let picked = false; // whether a person chose it
let detail = null;
let order = [];
let sortedAt = 0;
let gravest = "";
const drawn = new Map();

const total = (name) => (mixes.get(name) ?? [0, 0, 0]).reduce((a, b) => a + b, 0);
const near = (row) => (row.threshold ? Math.max(0, Math.min(1, row.score / row.threshold)) : 0);

const title = (series) => {
  const { name, part } = spoken(series);
  return [quote(name), part && h("span", { class: "part" }, quote(part))];
};

const bell = (row) => h("span", { class: `near ${row.state}`, title: row.threshold === null ? "No rule covers it" : `Score ${figure(row.score)}, rings at ${figure(row.threshold)}` },
  h("meter", { min: 0, max: 1, value: GRAVITY[row.state] >= 2 ? 1 : near(row), "aria-hidden": "true" }),
  h("span", { class: "tag" }, row.state === "quiet" ? (near(row) > 0.05 ? percent(near(row)) : "quiet") : STATE[row.state]));

const item = (row) => {
  const { name, part, kind: kindName } = spoken(row.name);
  const share = h("span", { class: `share${row.share !== null && row.share > row.usual_share * 1.5 && row.share > 0.3 ? " high" : ""}` },
    h("b", {}, row.recent_total ? percent(row.share) : "–"), h("small", {}, `usually ${percent(row.usual_share)}`));
  return h("li", {}, h("button", { type: "button", class: `row ${row.state}`, "data-series": row.name, "aria-pressed": String(row.name === chosen) },
    h("span", { class: "who" }, h("span", { class: "name" }, quote(name)),
      h("small", {}, part ? ["in ", quote(part)] : KIND[kindName] ?? kindName, ` · ${count(total(row.name))} today`)),
    sparkline(row), share, bell(row)));
};

const matches = (row) => {
  if (kind && spoken(row.name).kind.split("|")[0] !== kind) return false;
  // A part of a company is in the list when there is something to say of it; else it is in the company's detail.
  if (!words) return !row.name.includes("|") || Boolean(GRAVITY[row.state]) || near(row) > 0.5;
  const { name, part } = spoken(row.name);
  return `${row.name} ${name} ${part}`.toLowerCase().includes(words);
};

const sort = (force) => {
  const grave = [...rows.values()].map((row) => `${row.name}${GRAVITY[row.state] ?? 0}`).filter((each) => !each.endsWith("0")).sort().join();
  const time = performance.now();
  if (!force && grave === gravest && rows.size === order.length && time - sortedAt < SORT_MS) return;
  gravest = grave;
  sortedAt = time;
  const depth = (row) => ({ entity: 0, topic: 1, stream: 2 })[spoken(row.name).kind] ?? 3;
  order = [...rows.values()].sort((a, b) => (GRAVITY[b.state] ?? 0) - (GRAVITY[a.state] ?? 0)
    || Math.round(near(b) * 4) - Math.round(near(a) * 4) || depth(a) - depth(b)
    || Math.round(Math.log2(1 + total(b.name))) - Math.round(Math.log2(1 + total(a.name))) || (a.name < b.name ? -1 : 1)).map((row) => row.name);
};

/** Draw the list anew where it changed. */
export const draw = (all, mixed, changed, force = false) => {
  rows = all;
  mixes = mixed;
  for (const name of changed) drawn.delete(name);
  sort(force);
  const wanted = order.map((name) => rows.get(name)).filter((row) => row && matches(row)).slice(0, MOST_DRAWN);
  const items = wanted.map((row) => {
    if (!drawn.has(row.name)) drawn.set(row.name, item(row));
    const found = drawn.get(row.name);
    found.firstElementChild.setAttribute("aria-pressed", String(row.name === chosen));
    return found;
  });
  for (const name of elsewhere) {
    if (!rows.has(name) && words) {
      items.push(h("li", {}, h("button", { type: "button", class: "row", "data-series": name, "aria-pressed": String(name === chosen) },
        h("span", { class: "who" }, h("span", { class: "name" }, title(name)), h("small", {}, `${KIND[spoken(name).kind] ?? ""} · too quiet for the list`)))));
    }
  }
  if (!items.length) {
    items.push(h("li", { class: "empty" }, h("p", { class: "lead" }, rows.size ? "No series is called that." : "No series yet."),
      h("p", {}, rows.size ? "Clear the search, or choose another kind." : "As soon as documents arrive, each company, topic and stream gets a line here.")));
  }
  const list = $("series-list");
  if (items.length !== list.childElementCount || items.some((each, i) => each !== list.children[i])) {
    const focused = document.activeElement?.closest?.("#series-list [data-series]")?.dataset.series;
    list.replaceChildren(...items);
    if (focused) [...list.querySelectorAll("[data-series]")].find((each) => each.dataset.series === focused)?.focus();
  }
  if (chosen === null && order.length) choose(order[0], false);
  else if (!picked && order.length && (GRAVITY[rows.get(order[0])?.state] ?? 0) > (GRAVITY[rows.get(chosen)?.state] ?? 0)) choose(order[0], false);
  else if (changed.has(chosen)) fetchDetail();
};

let fetching = false;
let again = false;
const fetchDetail = async () => {
  if (fetching) { again = true; return; }
  fetching = true;
  const name = chosen;
  try {
    const answer = await fetch(`/series?name=${encodeURIComponent(name)}`);
    if (name === chosen) {
      detail = answer.ok ? await answer.json() : null;
      drawDetail(answer.status);
    }
  } catch {
    // The banner says that the worker does not answer; the last picture stays.
  } finally {
    fetching = false;
    if (again || name !== chosen) { again = false; fetchDetail(); }
  }
};

/** Show one series in detail; `byHand` when a person asked for it. */
export const choose = (name, byHand = true) => {
  chosen = name;
  picked = picked || byHand;
  for (const button of document.querySelectorAll("#series-list [data-series]")) {
    button.setAttribute("aria-pressed", String(button.dataset.series === name));
  }
  fetchDetail();
};

const facts = (row) => h("dl", { class: "facts" },
  ...[["share of the last hour", row.recent_total ? percent(row.share) : "–"], ["usual share", percent(row.usual_share)],
    ["stories of the last hour", count(row.recent_total)], ["stories a day", figure(detail.documents_a_day)],
    [row.threshold === null ? "score; no rule" : `score; rings at ${figure(row.threshold)}`, figure(row.score)]]
    .map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))));

export const drawDetail = (status = 200) => {
  const place = $("detail");
  if (!detail) {
    if (chosen !== null && status === 404) {
      place.replaceChildren(h("div", { class: "card empty" }, h("p", { class: "lead" }, "Not watched here."),
        h("p", {}, "Another worker, or none yet, counts ", quote(spoken(chosen).name), ".")));
    }
    return;
  }
  const row = detail.row, { part, root } = spoken(row.name);
  const inside = part ? [] : [...rows.values()].filter((each) => each.name.startsWith(`${root}|`)).sort((a, b) => total(b.name) - total(a.name)).slice(0, 6);
  const focused = place.querySelector("svg.day") === document.activeElement;
  place.replaceChildren(h("article", { class: `card detail ${row.state}`, "aria-label": "The chosen series" },
    h("header", {}, h("h3", {}, title(row.name)), h("span", { class: `badge ${row.state}` }, STATE[row.state]),
      part && h("button", { type: "button", class: "plain up", "data-series": root }, "all of it"),
      h("button", { type: "button", class: "plain up look", "data-look": row.name }, "documents")),
    facts(row), mix(mixes.get(row.name) ?? [0, 0, 0], true),
    dayChart(detail, spansOf(row.name, row.open_ms + row.size_ms), Math.max(280, Math.round(place.clientWidth) - 34)),
    inside.length > 0 && h("div", { class: "chips" }, h("span", { class: "label" }, "Topics"),
      inside.map((each) => h("button", { type: "button", class: `chip topic ${each.state}`, "data-series": each.name }, quote(spoken(each.name).part), ` ${count(total(each.name))}`)))));
  if (focused) place.querySelector("svg.day").focus();
};

export const begin = (redraw) => {
  switches(document.querySelector(".series .switch"), (button) => { kind = button.dataset.kind; redraw(); });
  let pause = 0;
  $("search").addEventListener("input", (event) => {
    words = event.target.value.trim().toLowerCase();
    elsewhere = [];
    redraw();
    clearTimeout(pause);
    if (words.length > 1) {
      pause = setTimeout(async () => {
        const asked = words;
        try {
          const answer = await fetch(`/search?words=${encodeURIComponent(asked)}`);
          if (answer.ok && asked === words) { elsewhere = await answer.json(); redraw(); }
        } catch {
          // The banner says that the worker does not answer.
        }
      }, 250);
    }
  });
  $("search").addEventListener("keydown", (event) => {
    const first = document.querySelector("#series-list button");
    if (event.key !== "ArrowDown" || !first) return;
    event.preventDefault();
    first.focus();
  });
  $("series-list").addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const all = [...document.querySelectorAll("#series-list button")];
    const next = all[all.indexOf(document.activeElement) + by];
    if (next) { event.preventDefault(); next.focus(); }
  });
  new ResizeObserver(() => drawDetail()).observe($("series-list"));
};
