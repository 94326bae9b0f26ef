// Elements without markup in strings: whatever the server says is shown as text.

const SVG = "http://www.w3.org/2000/svg";

// h("button", {class: "go", onclick: f, "aria-label": "Run"}, "Run", icon): false, null and undefined are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else attr(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Sets an attribute; true sets an empty one, and false, null or undefined removes it. Writes only what differs:
// screen readers and animations notice each write.
export function attr(element, name, value) {
  const wanted = value === true ? "" : value === false || value === null || value === undefined ? null : String(value);
  if (element.getAttribute(name) === wanted) return;
  if (wanted === null) element.removeAttribute(name);
  else element.setAttribute(name, wanted);
}

export function text(element, value) {
  const wanted = value ?? "";
  if (element.textContent !== wanted) element.textContent = wanted;
}

// Text of which the parts between backticks are code, as in Markdown.
export function prose(element, value) {
  const wanted = value ?? "";
  if (element.dataset.prose === wanted) return;
  element.dataset.prose = wanted;
  element.replaceChildren(...wanted.split("`").map((part, number) => (number % 2 ? h("code", {}, part) : part)));
}

export function show(element, visible) {
  if (element.hidden === Boolean(visible)) element.hidden = !visible;
}

// Shows `items` as children of `parent`, and keeps the element of an item that stays: focus and animations survive.
// `make(item)` returns an element, `update(element, item)` shows the item in it.
export function list(parent, items, { key, make, update }) {
  const old = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = old.get(name);
    old.delete(name);
    if (!element) {
      element = make(item);
      element.dataset.key = name;
    }
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
    update?.(element, item);
  }
  for (const element of old.values()) element.remove();
}
