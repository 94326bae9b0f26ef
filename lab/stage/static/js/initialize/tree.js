// The names of the files as a tree: one stop of the Tab key, arrows inside.

import { attr, h } from "../dom.js";

const WORDS = { new: "new", changed: "changed", gone: "gone" };

export class Tree {
  #root;
  #open;
  #rows = [];
  #closed = new Set();
  #files = [];
  #selected = "";

  // open(path) shows a file.
  constructor(root, open) {
    this.#root = root;
    this.#open = open;
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("click", (event) => {
      const row = this.#rows.find(({ element }) => element.contains(event.target));
      if (row) this.#press(row);
    });
  }

  // files: [{path, mark}], sorted by path; mark is "", "new", "changed" or "gone".
  show(files, selected) {
    this.#files = files;
    this.#selected = selected;
    this.#draw();
  }

  focus() {
    this.#stop()?.element.focus();
  }

  #draw() {
    const had = this.#root.contains(document.activeElement) ? document.activeElement.dataset.path : null;
    this.#rows = [];
    const folders = new Map();
    for (const { path, mark } of this.#files) {
      const names = path.split("/");
      let hidden = false;
      names.slice(0, -1).forEach((name, depth) => {
        const folder = `${names.slice(0, depth + 1).join("/")}/`;
        if (!folders.has(folder)) {
          const row = { path: folder, name, depth, folder: true, hidden, marks: new Set() };
          folders.set(folder, row);
          this.#rows.push(row);
        }
        if (mark) folders.get(folder).marks.add(mark);
        hidden ||= this.#closed.has(folder);
      });
      this.#rows.push({ path, name: names.at(-1), depth: names.length - 1, mark, hidden });
    }
    this.#rows = this.#rows.filter(({ hidden }) => !hidden);
    for (const row of this.#rows) row.element = this.#element(row);
    this.#root.replaceChildren(...this.#rows.map(({ element }) => element));
    const stop = this.#rows.find(({ path }) => path === had) ?? this.#stop();
    this.#rove(stop);
    if (had !== null) stop?.element.focus();
  }

  #element({ path, name, depth, folder, mark, marks }) {
    const closed = folder && this.#closed.has(path);
    const shownMark = mark || (closed && marks.size ? "changed" : "");
    const badge = shownMark ? h("span", { class: "mark", "data-mark": shownMark }, WORDS[shownMark]) : null;
    const label = h("span", { class: "name" }, folder ? `${name}/` : name);
    const element = h("li", { role: "treeitem", tabindex: "-1", "data-path": path, "data-mark": shownMark || null, "aria-level": depth + 1, "aria-expanded": folder ? String(!closed) : null, "aria-selected": folder ? null : String(path === this.#selected) }, label, badge);
    element.style.setProperty("--depth", depth);
    return element;
  }

  #stop() {
    return this.#rows.find(({ path }) => path === this.#selected) ?? this.#rows[0];
  }

  #rove(row) {
    for (const { element } of this.#rows) attr(element, "tabindex", element === row?.element ? "0" : "-1");
  }

  #press(row) {
    if (row.folder) this.#fold(row, !this.#closed.has(row.path));
    else this.#choose(row);
  }

  #fold({ path }, close) {
    if (close) this.#closed.add(path);
    else this.#closed.delete(path);
    const had = this.#root.contains(document.activeElement);
    this.#draw();
    const row = this.#rows.find((one) => one.path === path);
    this.#rove(row);
    if (had) row.element.focus();
  }

  #choose(row) {
    this.#selected = row.path;
    for (const one of this.#rows) if (!one.folder) attr(one.element, "aria-selected", String(one === row));
    this.#rove(row);
    this.#open(row.path);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#rows.findIndex(({ element }) => element === document.activeElement);
    if (at < 0) return;
    const row = this.#rows[at];
    const to = this.#target(event.key, at, row);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (to === null) return;
    const next = this.#rows[Math.min(this.#rows.length - 1, Math.max(0, to))];
    this.#rove(next);
    next.element.focus();
    if (!next.folder && next !== row) this.#choose(next);
  }

  // Returns the row to go to; null if the key did its work here, undefined if it is not a key of the tree.
  #target(key, at, row) {
    switch (key) {
      case "ArrowDown":
        return at + 1;
      case "ArrowUp":
        return at - 1;
      case "Home":
        return 0;
      case "End":
        return this.#rows.length - 1;
      case "Enter":
      case " ":
        this.#press(row);
        return null;
      case "ArrowRight":
        if (!row.folder) return null;
        if (!this.#closed.has(row.path)) return at + 1;
        this.#fold(row, false);
        return null;
      case "ArrowLeft":
        if (row.folder && !this.#closed.has(row.path)) {
          this.#fold(row, true);
          return null;
        }
        return this.#rows.findLastIndex(({ depth }, index) => index < at && depth === row.depth - 1);
      default:
        return undefined;
    }
  }
}
