// The model and the line: how fast, by which releases, and whether the stream is still what they know.

import { $, h, quote, s } from "./dom.js";
import { count, figure, moment, percent, plural } from "./words.js";

const EVERY_MS = 5000; // between two points, as the worker keeps them
const POINTS = 180;
const NEAR = 0.75;
const HEARS = {
  domain: "kinds of text", novelty: "nothing it knows", mix: "shares of classes", confidence: "how sure it is",
  error: "wrong sentiment", "error-topic": "wrong topics", quality: "the feed itself",
};
const CALLS = { look: "look at the feed", collect: "collect samples", train: "train" };
const ROLE = { serves: "serving", previous: "previous", candidate: "candidate" };

let line = [];
let addedAt = 0;
const drawn = new Map(); // by place: what it was drawn from

/** The past of the line, as the worker told it. */
export const begin = (past) => { line = past; addedAt = performance.now(); };

/** Draw `make()` into `place` where what it is drawn from has changed. */
const put = (place, from, make) => {
  const key = JSON.stringify(from);
  if (drawn.get(place) === key) return;
  drawn.set(place, key);
  $(place).replaceChildren(...[make()].flat().filter(Boolean));
};

const lineChart = () => {
  const width = 300, height = 100;
  const rates = line.map(([rate]) => rate), lags = line.map(([, lag]) => lag);
  const most = Math.max(1, ...rates) * 1.1, furthest = Math.max(1, ...lags) * 1.1;
  const across = (i) => Math.round(((POINTS - line.length + i) / (POINTS - 1)) * width * 10) / 10;
  const path = (values, top) => values.map((value, i) => `${across(i)} ${Math.round((height - (value / top) * height) * 10) / 10}`).join("L");
  const known = line.length > 1;
  const minutes = Math.round((POINTS * EVERY_MS) / 60000);
  return [
    s("svg", { class: "line", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `Documents a second, now ${figure(rates.at(-1) ?? 0)}, at most ${figure(Math.max(0, ...rates))} in ${minutes} minutes` },
      s("path", { class: "grid", d: `M0 ${height}H${width}M0 ${height / 2}H${width}`, "vector-effect": "non-scaling-stroke" }),
      s("path", { class: "area", d: known ? `M${across(0)} ${height}L${path(rates, most)}L${width} ${height}Z` : "" }),
      s("path", { class: "rate", d: known ? `M${path(rates, most)}` : "" }),
      s("path", { class: "lag", d: known && Math.max(...lags) > 0 ? `M${path(lags, furthest)}` : "" })),
    h("p", { class: "axis" }, h("span", {}, `${minutes} min ago`), h("span", {}, "now")),
    h("p", { class: "key" }, h("span", { class: "k-rate" }, `now ${figure(rates.at(-1) ?? 0)}, at most ${figure(Math.max(0, ...rates))}`),
      h("span", { class: "k-lag" }, Math.max(0, ...lags) ? `waiting: now ${count(lags.at(-1) ?? 0)}, at most ${count(Math.max(...lags))}` : "none had to wait")),
  ];
};

const releases = (status) => {
  if (!status.readings.length) return h("p", { class: "waiting" }, "This worker does not score; others do.");
  const compared = (one) => one.role === "serves" ? `${one.precision} on ${status.provider}`
    : one.differ === null ? (one.role === "candidate" ? "reads along, compares nothing yet" : "loaded, to go back to at once")
      : `judges ${percent(one.differ)} of ${plural(one.documents, "document")} otherwise`;
  const sure = Object.entries(status.expected).flatMap(([stream, heads]) =>
    "sentiment" in heads ? [h("span", {}, quote(stream), " ", h("b", {}, percent(heads.sentiment)))] : []);
  return [
    h("ul", { class: "readings" }, status.readings.map((one) => h("li", {},
      h("span", { class: `badge ${one.role}` }, ROLE[one.role] ?? one.role), h("span", { class: "name" }, quote(one.release)), h("p", { class: "under" }, compared(one))))),
    status.refused && h("p", { class: "refused" }, "Refused: ", quote(status.refused)),
    sure.length > 0 && h("p", { class: "sure" }, h("span", {}, "Should be right in sentiment:"), sure)];
};

const detector = (one) => {
  const part = one.threshold > 0 ? Math.max(0, one.statistic / one.threshold) : 0;
  const state = part >= 1 ? "over" : part >= NEAR ? "near" : "";
  return h("li", { class: state, title: `${one.detector}: ${HEARS[one.detector] ?? ""}` },
    h("span", {}, h("b", {}, one.detector)),
    s("svg", { class: "track", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": `${percent(part)} of its threshold` },
      s("rect", { class: "so-far", x: 0, y: 0, width: Math.min(100, Math.round(part * 1000) / 10), height: 6 })),
    h("span", { class: "value" }, `${figure(one.statistic)} / ${figure(one.threshold)}`));
};

const shifted = (shift) => [quote(shift.name), ` ${percent(shift.usual)} → ${percent(shift.now)}`];

const drift = (status, alarms) => {
  const streams = [...new Set([...Object.keys(status.drift_heard), ...status.drift.map((one) => one.stream)])].sort();
  const now = status.stream_ms;
  const recent = (stream) => alarms.some((alarm) => alarm.stream === stream && now !== null && now - alarm.event_ms < 86400000);
  const gauges = streams.map((stream) => {
    const own = status.drift.filter((one) => one.stream === stream);
    const over = own.some((one) => one.threshold > 0 && one.statistic >= one.threshold);
    const [kind, word] = !own.length ? ["pending", "listening"] : over ? ["ringing", "drifting"] : recent(stream) ? ["recovering", "alarmed today"] : ["quiet", "as it was taught"];
    return h("section", {}, h("h4", {}, quote(stream), h("span", { class: `badge ${kind}` }, word)),
      own.length ? h("ul", { class: "detectors" }, own.map(detector))
        : h("p", { class: "under" }, `${plural(status.drift_heard[stream] ?? 0, "document")} heard; detectors speak once their windows are full.`));
  });
  if (status.readings.length && !status.readings[0].armed) {
    return h("p", { class: "under" }, "Release ", quote(status.readings[0].release), " brings no reference to compare a stream with, so drift is not heard. Releases trained by this version bring one.");
  }
  return [
    gauges.length ? h("div", { class: "drifting" }, gauges)
      : h("p", { class: "under" }, status.readings.length ? "Nothing heard yet. Six detectors compare each stream with what the release was taught on." : "This worker does not score; the detectors of others do."),
    alarms.length > 0 && h("ol", { class: "alarms", "aria-label": "The last alarms" }, alarms.slice(0, 4).map((alarm) => h("li", { class: alarm.calls },
      h("b", {}, quote(alarm.detector)), " moved on ", quote(alarm.stream), `: ${CALLS[alarm.calls] ?? alarm.calls}`,
      alarm.shifts.length > 0 && [". ", ...alarm.shifts.flatMap((shift, i) => [i > 0 && ", ", ...shifted(shift)])],
      h("span", { class: "from" }, moment(alarm.event_ms, now), ` · after ${plural(alarm.documents, "document")} · `, quote(alarm.release))))),
    gauges.length > 0 && h("p", { class: "under scale" }, `Bars run up to the threshold, passed by chance about once in ${count(status.run_length)} documents.`)];
};

export const draw = (status, alarms) => {
  if (performance.now() - addedAt >= EVERY_MS) {
    addedAt = performance.now();
    line = [...line, [status.rate ?? 0, status.lag]].slice(-POINTS);
  }
  put("line-chart", line, lineChart);
  put("releases", [status.readings, status.refused, status.expected, status.provider], () => releases(status));
  put("drift", [status.drift, Object.keys(status.drift_heard), status.drift.length ? 0 : status.drift_heard, alarms, status.readings[0] ?? null, Math.floor((status.stream_ms ?? 0) / 3600000)], () => drift(status, alarms));
};
