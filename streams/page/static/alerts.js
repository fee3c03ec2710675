// Alerts: what rang, why, and people's word on it.

import { $, h, quote, switches } from "./dom.js";
import { gauge } from "./chart.js";
import { clock, count, figure, moment, ms, percent, plural, span, spoken } from "./words.js";

const SAYING = {
  acknowledge: ["Acknowledge", "You are on it. Nobody is told of it again until it is over."],
  dismiss: ["Dismiss", "It was a false alarm. It is over at once and counts as false."],
  confirm: ["Confirm", "It was right. It counts towards how precise the alarm is."],
};
const REASON = {
  late_documents: "late documents", louder_again: "louder again", stronger: "stronger", flapping: "comes and goes",
  quiet: "quiet again", level_shift: "the new normal", rule_changed: "the rule was changed", returned: "heard again",
};
const VERDICT = {
  world: ["The world moved", "the release before this one hears the same"],
  model: ["The model moved", "a change of release explains it"],
  both: ["World and model moved", "a change of release explains part of it"],
  undecided: ["World or model: undecided", ""],
};

let shown = "standing";
let alerts = new Map();
let now = null;
const opened = new Map(); // by alert: whether its evidence is unfolded
const cards = new Map(); // by alert: what it was drawn from, and the card

const word = (alert, verdict) => alert.said.find((said) => said.verdict === verdict);
export const standing = (each) => each.alert.state !== "resolved" && !word(each, "dismiss");

const state = (each) => {
  if (word(each, "dismiss")) return ["dismissed", "Dismissed"];
  if (each.alert.state === "resolved") return ["over", "Over"];
  if (each.alert.state === "recovering") return ["easing", "Easing"];
  return ["firing", "Ringing"];
};

const title = (series) => {
  const { name, part } = spoken(series);
  return [quote(name), part && h("span", { class: "part" }, quote(part))];
};

const chips = (label, kind, values) =>
  values.length ? h("div", { class: "chips" }, h("span", { class: "label" }, label),
    values.map((value) => h("span", { class: `chip ${kind}` }, quote(value)))) : null;

const exemplar = (one) => h("li", {},
  h("p", { class: "told", dir: "auto" }, quote(one.title || "(without a title)")),
  h("p", { class: "from" }, one.source && [quote(one.source), " · "], moment(one.event_ms, now),
    ` · ${percent(one.p_negative)} negative`,
    one.copies > 0 && ` · ${plural(one.copies, "copy", "copies")} folded`,
    one.similar > 0 && ` · ${one.similar} more like it`));

const annotation = (note) => {
  if (!note) return null;
  const [head, gloss] = VERDICT[note.verdict] ?? ["", ""];
  const telling = [...new Set(note.explained.flatMap((one) => one.words.slice(0, 4).map((each) => each.word)))].slice(0, 8);
  return h("div", { class: "annotation" }, h("p", {}, h("b", {}, head), gloss && `: ${gloss}`, ". ", quote(note.why)),
    chips("Telling words", "term", telling));
};

const evidence = (each) => {
  const { alert } = each, proof = alert.evidence;
  const rare = proof.chance_days >= 1 ? `By chance a series sounds like this once in ${proof.chance_days >= 36500 ? "a century or more" : plural(proof.chance_days, "day")}.` : "";
  const height = proof.highest_in_days > 0 && (proof.reached_before
    ? `The sharpest rise in ${plural(proof.highest_in_days, "day")}.`
    : `The sharpest rise in the ${plural(proof.highest_in_days, "day")} it is watched.`);
  return h("div", { class: "evidence" },
    h("ul", { class: "quotes" }, alert.exemplars.map(exemplar)),
    chips("New words", "term", proof.terms.map((term) => term.term)),
    chips("About", "topic", proof.topics.map((one) => `${one.name} ${count(one.observed)}`)),
    chips("From", "source", proof.sources.map((one) => `${one.name} ${count(one.observed)}`)),
    annotation(alert.annotation),
    h("p", { class: "under" }, [height, rare,
      `Score ${figure(alert.score)}, rings at ${figure(alert.threshold)}.`,
      alert.copies > 0 && `${plural(alert.copies, "copy", "copies")} of the same stories were folded.`].filter(Boolean).join(" ")),
    h("ol", { class: "steps", "aria-label": "What became of it" }, each.steps.map(([to, reason, at]) =>
      h("li", { class: to }, h("b", {}, moment(ms(at), now)), " ", to === "firing" ? "rang" : to === "recovering" ? "easing" : "over",
        REASON[reason] && `, ${REASON[reason]}`))),
    h("p", { class: "under id" }, `rule ${alert.rule} · `, quote(alert.release), " · ", h("code", {}, alert.alert_id.slice(0, 12))));
};

const card = (each, also, ask) => {
  const { alert } = each, [kind, told] = state(each), proof = alert.evidence;
  const started = ms(alert.starts_at), ends = alert.ends_at ? ms(alert.ends_at) : null;
  const minutes = span(alert.window.seconds * 1000);
  const silent = alert.rule === "no-data";
  const details = h("details", { open: opened.get(alert.alert_id) ?? false,
    ontoggle: (event) => opened.set(alert.alert_id, event.target.open) },
    h("summary", {}, silent ? "More" : `Why: ${plural(alert.exemplars.length, "story", "stories")} that speak for it`), evidence(each));
  return h("article", { class: `alert ${kind} ${alert.severity}`, "data-alert": alert.alert_id, "aria-label": `${told}: ${alert.series}` },
    h("header", {},
      h("p", { class: "badges" }, h("span", { class: `badge ${kind}` }, told),
        h("span", { class: `badge severity ${alert.severity}` }, alert.severity),
        alert.flapping && h("span", { class: "badge" }, `came ${alert.rang} times`)),
      h("h3", {}, h("button", { type: "button", class: "name", "data-series": alert.series }, title(alert.series))),
      h("p", { class: "when" }, `since ${moment(started, now)}`,
        ends !== null ? `, for ${span(ends - started)}` : now !== null && now > started ? ` · ${span(now - started)}` : "")),
    silent ? h("p", { class: "fact" }, quote(alert.summary)) : [
      h("p", { class: "fact" }, h("b", {}, count(alert.observed)), ` of ${plural(alert.total, "story", "stories")} in ${minutes} are negative. `,
        h("span", {}, `Usually ${proof.expected_low} to ${proof.expected_high}.`)),
      gauge(alert.observed, proof.expected_low, proof.expected_high, alert.expected),
      h("p", { class: "fact small" }, h("span", { class: "rate" }, "Share ", h("b", {}, percent(alert.share)), `, usually ${percent(alert.baseline_share)}`),
        h("span", { class: "until" }, `${clock(ms(alert.window.start))}–${clock(ms(alert.window.end))}`))],
    also.length > 0 && h("p", { class: "also" }, "Rings with it: ", also.slice(0, 6).map((other, i) => [i > 0 && ", ", quote(spoken(other.alert.series).part || spoken(other.alert.series).name)]),
      also.length > 6 && ` and ${also.length - 6} more`),
    each.said.map((said) => h("p", { class: `said ${said.verdict}` },
      h("b", {}, { acknowledge: "Acknowledged", dismiss: "Dismissed", confirm: "Confirmed" }[said.verdict]), " by ", quote(said.by), said.note && [": ", quote(said.note)])),
    details,
    h("menu", { class: "acts" }, !silent && h("button", { type: "button", class: "look", "data-look": alert.series, "data-of": alert.alert_id,
      "data-since": alert.starts_at, "data-until": alert.ends_at }, "Documents"), Object.entries(SAYING).filter(([verdict]) => verdict !== "acknowledge" || standing(each)).map(([verdict, [label]]) =>
      h("button", { type: "button", disabled: Boolean(word(each, verdict)), onclick: () => ask(each, verdict) }, label))));
};

const nothing = (status) => {
  const over = shown === "over";
  const learning = status?.learning;
  return h("div", { class: "empty" }, h("p", { class: "lead" }, over ? "Nothing was over yet." : "All quiet."),
    h("p", {}, over ? "Alerts that are over, or that somebody dismissed, are kept here."
      : learning ? "tocsin is still learning what is normal: on its first day nothing rings, unless a history taught it before."
        : "When opinion turns against what you watch, it rings here within seconds, with the stories that speak for it."));
};

/** Draw what has changed. */
export const draw = (found, status, ask) => {
  alerts = found;
  now = status?.stream_ms ?? now;
  const all = [...alerts.values()];
  const wanted = all.filter((each) => standing(each) === (shown === "standing") && !(shown === "standing" && each.spoken_for_by && alerts.has(each.spoken_for_by)));
  const grave = { critical: 0, warning: 1, info: 2 };
  wanted.sort((a, b) => (shown === "standing" ? (a.alert.state === "recovering") - (b.alert.state === "recovering") || grave[a.alert.severity] - grave[b.alert.severity] : 0)
    || ms(b.alert.starts_at) - ms(a.alert.starts_at) || b.alert.score - a.alert.score);
  const list = $("alert-list");
  if (!opened.size && wanted.length && window.matchMedia("(min-width: 1100px)").matches) opened.set(wanted[0].alert.alert_id, true);
  const minute = now === null ? 0 : Math.floor(now / 300000);
  const drawn = wanted.map((each) => {
    const also = shown === "standing" ? all.filter((other) => other.spoken_for_by === each.alert.alert_id && standing(other)) : [];
    const key = each.alert.alert_id, from = [each, also.length, minute, shown];
    const known = cards.get(key);
    if (known && known.from.every((part, i) => part === from[i])) return known.card;
    const fresh = card(each, also, ask);
    if (known?.card.contains(document.activeElement)) queueMicrotask(() => fresh.querySelector("button.name").focus());
    cards.set(key, { from, card: fresh });
    return fresh;
  });
  for (const key of cards.keys()) if (!alerts.has(key)) cards.delete(key);
  const body = drawn.length ? drawn : [nothing(status)];
  if (body.length !== list.childElementCount || body.some((each, i) => each !== list.children[i])) list.replaceChildren(...body);
  const [standingButton, overButton] = document.querySelectorAll("[data-show]");
  const over = all.filter((each) => !standing(each)).length;
  standingButton.textContent = `Standing ${all.filter((each) => standing(each) && !each.spoken_for_by).length || ""}`.trim();
  overButton.textContent = `Over ${over || ""}`.trim();
};

export const begin = (redraw) => {
  switches(document.querySelector(".alerts .switch"), (button) => { shown = button.dataset.show; redraw(); });
};

/** The spans of time in which `series` rang, for its chart. */
export const spansOf = (series, latest) => [...alerts.values()].filter((each) => each.alert.series === series && !word(each, "dismiss"))
  .map((each) => ({ from: ms(each.alert.starts_at), to: each.alert.ends_at ? ms(each.alert.ends_at) : latest, severity: each.alert.severity }));

/** Ask for a name and a note, and send the word; the alert itself changes when it comes back through Kafka. */
export const asking = () => {
  const dialog = $("say"), form = dialog.querySelector("form");
  let about = null;
  const wrong = (text) => { $("say-wrong").textContent = text; $("say-wrong").hidden = !text; };
  $("say-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const by = $("say-by").value.trim();
    localStorage.setItem("tocsin-name", by);
    $("say-send").disabled = true;
    wrong("");
    try {
      const answer = await fetch(`/alerts/${encodeURIComponent(about.alert)}`, {
        method: "POST", headers: { "Content-Type": "application/json", "X-Tocsin": "page" },
        body: JSON.stringify({ verdict: about.verdict, by, note: $("say-note").value.trim() }),
      });
      if (answer.ok) dialog.close();
      else wrong(`It was not sent: ${await answer.text()}`);
    } catch {
      wrong("It was not sent: the worker does not answer.");
    } finally {
      $("say-send").disabled = false;
    }
  });
  return (each, verdict) => {
    about = { alert: each.alert.alert_id, verdict };
    const [label, what] = SAYING[verdict];
    const { name, part } = spoken(each.alert.series);
    $("say-title").replaceChildren(`${label}: `, quote(part ? `${name}, ${part}` : name));
    $("say-what").textContent = what;
    $("say-send").textContent = label;
    $("say-by").value = localStorage.getItem("tocsin-name") ?? "";
    $("say-note").value = "";
    wrong("");
    dialog.showModal();
    ($("say-by").value ? $("say-note") : $("say-by")).focus();
  };
};
