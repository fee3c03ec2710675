// Charts by hand: small SVG, real pixels, colours from the style sheet.

import { h, s } from "./dom.js";
import { clock, figure, percent } from "./words.js";

const round = (value) => Math.round(value * 10) / 10;

/** A band between two lists of values, in steps as wide as a window. */
const bandPath = (low, high, x, y) => {
  if (!low.length) return "";
  const top = high.map((value, i) => `${round(x(i))} ${round(y(value))} L${round(x(i + 1))} ${round(y(value))}`);
  const bottom = low.map((value, i) => `${round(x(i + 1))} ${round(y(value))} L${round(x(i))} ${round(y(value))}`).reverse();
  return `M${top.join("L")}L${bottom.join("L")}Z`;
};

/** Negative stories of a series against their usual range, in the size of a word. */
export const sparkline = (row) => {
  const width = 168, height = 34, slots = 49;
  const y = [...row.y, row.open_negative], low = [...row.low, 0], high = [...row.high, row.open_high];
  const most = Math.max(3, ...y, ...high);
  const shift = slots - y.length;
  const across = (i) => ((i + shift) / slots) * width;
  const down = (value) => height - 2 - (value / most) * (height - 5);
  const bars = (loud) => y.map((value, i) => (value > 0 && value > high[i] === loud
    ? `M${round(across(i + 0.5))} ${height - 2}V${round(down(value))}` : "")).join("");
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true", preserveAspectRatio: "none" },
    s("path", { class: "band", d: bandPath(low, high, across, down) }),
    s("path", { class: "bars", d: bars(false) }),
    s("path", { class: "bars loud", d: bars(true) }),
    s("path", { class: "floor", d: `M0 ${height - 1.5}H${width}` }));
};

/** How the documents are split into negative, neutral and positive. */
export const mix = (counts, legend = false) => {
  const total = counts[0] + counts[1] + counts[2];
  const bar = s("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", class: "mixbar", "aria-hidden": "true" });
  if (!total) return h("div", { class: "mixed" }, bar, legend && h("p", { class: "under" }, "no document scored here yet"));
  let from = 0;
  ["negative", "neutral", "positive"].forEach((mood, i) => {
    const part = (counts[i] / total) * 100;
    if (part > 0) bar.append(s("rect", { x: round(from), y: 0, width: round(part), height: 6, class: mood }));
    from += part;
  });
  return h("div", { class: "mixed" }, bar, legend && h("p", { class: "legend" },
    h("span", { class: "negative" }, `${percent(counts[0] / total)} negative`),
    h("span", { class: "neutral" }, `${percent(counts[1] / total)} neutral`),
    h("span", { class: "positive" }, `${percent(counts[2] / total)} positive`)));
};

/** What was counted on the scale of what is usual: one bar, one band. */
export const gauge = (observed, low, high, expected) => {
  const most = Math.max(observed, high) * 1.08 || 1;
  const at = (value) => round((value / most) * 100);
  return s("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", class: "gauge", "aria-hidden": "true" },
    s("rect", { class: "track", x: 0, y: 4, width: 100, height: 4 }),
    s("rect", { class: "usual", x: at(low), y: 1, width: Math.max(0.8, at(high) - at(low)), height: 10 }),
    s("rect", { class: observed > high ? "loud" : "calm", x: 0, y: 4, width: at(observed), height: 4 }),
    s("rect", { class: "expected", x: at(expected), y: 1, width: 0.5, height: 10 }));
};

const steps = (most) => {
  const rough = most / 3, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].find((each) => each * power >= rough) * power);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
};

/** The day of one series: counts over their band, the share over its own, both with the hours to come. */
export const dayChart = (detail, alerts, width) => {
  const size = detail.row.size_ms, windows = detail.windows, open = detail.open_at;
  const left = 42, right = 10, tall = 190, gap = 34, small = 74, bottom = 22;
  const height = 14 + tall + gap + small + bottom;
  const wide = width - left - right;
  const x = (i) => left + (i / windows.length) * wide;
  const [START, Y, N, MU, LOW, HIGH, SHARE, SLOW, SHIGH] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const most = Math.max(4, ...windows.map((w) => Math.max(w[Y] ?? 0, w[HIGH]))) * 1.06;
  const y = (value) => 14 + tall - (value / most) * tall;
  const base = 14 + tall + gap + small;
  const share = (value) => base - value * small;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "day", role: "img", tabindex: "0",
    "aria-label": "Negative stories and their share, window by window, with the usual range" });
  const add = (...each) => svg.append(...each);

  for (const value of steps(most)) {
    add(s("path", { class: "grid", d: `M${left} ${round(y(value))}H${width - right}` }),
      s("text", { x: left - 7, y: round(y(value)) + 4, "text-anchor": "end" }, value));
  }
  for (const value of [0, 0.5, 1]) {
    add(s("path", { class: "grid", d: `M${left} ${round(share(value))}H${width - right}` }),
      s("text", { x: left - 7, y: round(share(value)) + 4, "text-anchor": "end" }, percent(value)));
  }
  add(s("text", { class: "panel", x: left, y: 9 }, "negative stories"),
    s("text", { class: "panel", x: left, y: base - small - 9 }, "share of negative, over an hour"));

  const hours = [1, 2, 3, 6, 12, 24].find((each) => ((windows.length * size) / 3600000 / each) * 52 < wide) ?? 24;
  windows.forEach((w, i) => {
    if (w[START] % (hours * 3600000) === 0 && x(i) < width - 26) {
      add(s("path", { class: "tick", d: `M${round(x(i))} ${base}v4` }),
        s("text", { x: round(x(i)), y: height - 5, "text-anchor": "middle" }, clock(w[START])));
    }
  });

  for (const alert of alerts) {
    const from = (alert.from - windows[0][START]) / size, to = (alert.to - windows[0][START]) / size;
    if (to <= 0 || from >= windows.length) continue;
    const begin = x(Math.max(0, from)), end = x(Math.min(windows.length, Math.max(to, from + 0.4)));
    add(s("rect", { class: `rang ${alert.severity}`, x: round(begin), y: 14, width: round(end - begin), height: tall }),
      s("rect", { class: `rang-edge ${alert.severity}`, x: round(begin), y: 11, width: round(end - begin), height: 3 }));
  }

  const column = (index) => windows.map((w) => w[index]);
  add(s("path", { class: "band", d: bandPath(column(LOW), column(HIGH), x, y) }),
    s("path", { class: "expected", d: "M" + windows.map((w, i) => `${round(x(i + 0.5))} ${round(y(w[MU]))}`).join("L") }),
    s("path", { class: "band", d: bandPath(column(SLOW), column(SHIGH), x, share) }));
  const thick = Math.max(1.5, Math.min(9, (wide / windows.length) * 0.66));
  windows.forEach((w, i) => {
    const kind = `bar${w[Y] > w[HIGH] ? " loud" : ""}${i === open ? " open" : ""}`;
    if (w[Y]) add(s("rect", { class: kind, x: round(x(i + 0.5) - thick / 2), y: round(y(w[Y])), width: round(thick), height: round(y(0) - y(w[Y])), rx: Math.min(1.5, thick / 3) }));
  });
  const line = (wanted) => windows.map((w, i) => {
    if (w[SHARE] === null) return "";
    const before = windows[i - 1];
    const loud = w[SHARE] > w[SHIGH] || (before && before[SHARE] !== null && before[SHARE] > before[SHIGH]);
    if (Boolean(loud) !== wanted) return "";
    const start = before && before[SHARE] !== null ? `M${round(x(i - 0.5))} ${round(share(before[SHARE]))}L` : `M${round(x(i + 0.2))} ${round(share(w[SHARE]))}L`;
    return `${start}${round(x(i + 0.5))} ${round(share(w[SHARE]))}`;
  }).join("");
  add(s("path", { class: "shareline", d: line(false) }), s("path", { class: "shareline loud", d: line(true) }));
  add(s("path", { class: "now", d: `M${round(x(open))} 11V${base}` }));

  const cross = s("path", { class: "cross", d: "" });
  add(cross);
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  let at = open;
  const point = (i) => {
    at = Math.max(0, Math.min(windows.length - 1, i));
    const w = windows[at], when = `${clock(w[START])}–${clock(w[START] + size)}`;
    cross.setAttribute("d", `M${round(x(at + 0.5))} 11V${base}`);
    const counted = w[N] === null ? `expected ${figure(w[MU])}`
      : `${w[Y]} of ${w[N]} ${w[N] === 1 ? "story" : "stories"} negative${at === open ? " so far" : ""}, ${figure(w[MU])} expected`;
    const shared = w[SHARE] !== null ? ` · share of the hour ${percent(w[SHARE])}, usually ${percent(w[SLOW])} to ${percent(w[SHIGH])}` : "";
    readout.replaceChildren(h("b", {}, when), ` ${counted} (usually ${w[LOW]} to ${w[HIGH]})${shared}`);
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    point(Math.floor((((event.clientX - box.left) / box.width) * width - left) / wide * windows.length));
  });
  svg.addEventListener("pointerleave", () => { point(open); cross.setAttribute("d", ""); });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -8, PageDown: 8, Home: -1e6, End: 1e6 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    point(at + by);
  });
  point(open);
  cross.setAttribute("d", "");
  return h("figure", { class: "chart" }, svg, h("figcaption", {}, readout, h("p", { class: "key" },
    h("span", { class: "k-bar" }, "counted"), h("span", { class: "k-loud" }, "above the usual range"),
    h("span", { class: "k-band" }, "usual range"), h("span", { class: "k-expected" }, "expected"))));
};

/** The last minutes of a figure, as a line. */
export const trace = (values) => {
  const most = Math.max(1, ...values), last = Math.max(1, values.length - 1);
  const at = (value, i) => `${round((i / last) * 100)} ${round(20 - (value / most) * 18)}`;
  return s("svg", { viewBox: "0 0 100 21", preserveAspectRatio: "none", class: "trace", "aria-hidden": "true" },
    s("path", { class: "area", d: values.length > 1 ? `M0 21L${values.map(at).join("L")}L100 21Z` : "" }),
    s("path", { class: "line", d: values.length > 1 ? `M${values.map(at).join("L")}` : "" }));
};
