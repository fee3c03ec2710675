// Elements without markup: whatever comes from a document becomes text, never HTML.

const SVG = "http://www.w3.org/2000/svg";
// Control characters, and those that turn the direction of what follows.
const TRICKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const clean = (text) => String(text ?? "").replace(TRICKS, "");

const fill = (element, children) => {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(clean(child)));
  }
  return element;
};

/** An HTML element; `set` holds attributes, and listeners under `on…`. */
export const h = (tag, set = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return fill(element, children);
};

/** An SVG element. */
export const s = (tag, set = {}, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(set)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  return fill(element, children);
};

export const $ = (id) => document.getElementById(id);

/** Text from outside, kept apart from what stands around it, in whichever direction it runs. */
export const quote = (text, set = {}) => h("bdi", set, text);

/** A web address as a link, anything else as text. */
export const link = (url, text) =>
  /^https?:\/\//.test(url)
    ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, quote(text))
    : quote(text);

/** Press one of a group of switches; calls `chosen` with the button. */
export const switches = (group, chosen) => {
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const other of group.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    chosen(button);
  });
};
