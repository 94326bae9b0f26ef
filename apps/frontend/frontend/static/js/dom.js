// Small helpers for elements; text is only ever set as text.

export const byId = (id) => document.getElementById(id);

export function element(tag, classes = "", words = "") {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (words) made.textContent = words;
  return made;
}

export function setText(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

// Makes a list have `count` children, each made by `make`.
export function fill(list, count, make) {
  while (list.children.length > count) list.lastElementChild.remove();
  while (list.children.length < count) list.append(make());
}

// Milliseconds as a number, and with their unit.
export const ms = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
export const time = (value) => (value === null ? "–" : value < 1000 ? `${ms(value)} ms` : `${(value / 1000).toFixed(1)} s`);
