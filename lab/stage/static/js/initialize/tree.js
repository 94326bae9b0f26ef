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
    this.#rows = [...this.#visible(nested(this.#files), "", 0)];
    for (const row of this.#rows) row.element = this.#element(row);
    this.#root.replaceChildren(...this.#rows.map(({ element }) => element));
    const stop = this.#rows.find(({ path }) => path === had) ?? this.#stop();
    this.#rove(stop);
    if (had !== null) stop?.element.focus();
  }

  // The rows of a folder. A folder that has one other folder only is one row with it.
  *#visible({ files, folders }, prefix, depth) {
    for (const { path, mark } of files) yield { path, name: path.slice(prefix.length), depth, mark };
    for (const [first, inner] of folders) {
      let [name, node] = [first, inner];
      while (!node.files.length && node.folders.size === 1) {
        const [[next, only]] = node.folders;
        name = `${name}/${next}`;
        node = only;
      }
      const path = `${prefix}${name}/`;
      yield { path, name, depth, folder: true, marks: node.marks };
      if (!this.#closed.has(path)) yield* this.#visible(node, path, depth + 1);
    }
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

// Files by folder, in their order: {files, folders, marks}.
function nested(files) {
  const made = () => ({ files: [], folders: new Map(), marks: new Set() });
  const root = made();
  for (const file of files) {
    let node = root;
    for (const name of file.path.split("/").slice(0, -1)) {
      if (!node.folders.has(name)) node.folders.set(name, made());
      node = node.folders.get(name);
      if (file.mark) node.marks.add(file.mark);
    }
    node.files.push(file);
  }
  return root;
}
