// The files of the folder, what the last choice changed, and the text of one of them.

import { h, show, text } from "../dom.js";
import { ask } from "./ask.js";
import { Tree } from "./tree.js";

const FIRST = "README.md";
const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
const number = new Intl.NumberFormat("en");

export class Files {
  #store;
  #tree;
  #path = FIRST;
  #key = ""; // what the viewer shows: the choices, those before, the path
  #asked = 0;
  #heading = h("h2", { id: "file-name" });
  #note = h("p", { class: "note" });
  #more = h("button", { type: "button", class: "quiet more", hidden: true, onclick: () => this.#read(true) });
  #viewer = h("pre", { class: "viewer", tabindex: "0", "aria-labelledby": "file-name" });
  #summary = h("p", { class: "summary", role: "status" });

  constructor(root, store) {
    this.#store = store;
    const listed = h("ul", { class: "tree", role: "tree", "aria-label": "Files" });
    this.#tree = new Tree(listed, (path) => {
      this.#path = path;
      this.#read();
    });
    root.append(
      h("div", { class: "head" }, h("h2", {}, "Files"), this.#summary),
      h("div", { class: "panes" }, listed, h("div", { class: "file" }, h("div", { class: "head" }, this.#heading, this.#note), this.#viewer, this.#more)),
    );
    store.watch(() => this.#show(root));
  }

  focus() {
    this.#tree.focus();
  }

  #show(root) {
    const { shown, before, busy } = this.#store;
    root.setAttribute("aria-busy", String(busy));
    root.querySelector(".panes").hidden = !shown.files;
    if (!shown.files) {
      text(this.#summary, shown.coming.length ? `Downloading ${shown.coming[0]}, ${many(shown.coming.length, "part")} to go …` : "No folder: see the problem above the choices.");
      this.#key = "";
      return;
    }
    const files = marked(shown.files, before?.files ?? null);
    if (!files.some(({ path }) => path === this.#path)) this.#path = FIRST;
    text(this.#summary, summary(shown.files, files));
    const key = JSON.stringify([shown.query, before?.query]);
    if (this.#key === key) return;
    this.#key = key;
    this.#tree.show(files, this.#path);
    this.#read();
  }

  async #read(whole = false) {
    const { shown, before } = this.#store;
    const asked = ++this.#asked;
    const path = this.#path;
    const since = before?.files ? before.query : undefined;
    let file;
    try {
      file = await ask("/api/initialize/file", { query: shown.query, path, since, whole });
    } catch (error) {
      if (asked === this.#asked) this.#fill(path, [{ mark: "same", text: error.words ?? String(error) }], "");
      return;
    }
    if (asked !== this.#asked) return;
    const changed = file.chunks.some(({ mark }) => mark !== "same");
    const counts = (wanted) => file.chunks.filter(({ mark }) => mark === wanted).reduce((sum, chunk) => sum + chunk.text.split("\n").length, 0);
    const note = changed ? `${many(counts("new"), "line")} new, ${counts("gone")} gone` : many(file.lines, "line");
    this.#fill(path, file.chunks, note);
    text(this.#more, file.hidden ? `Show ${number.format(file.hidden)} more lines` : "");
    show(this.#more, file.hidden > 0);
  }

  #fill(path, chunks, note) {
    const other = this.#heading.textContent !== path;
    text(this.#heading, path);
    text(this.#note, note);
    this.#viewer.replaceChildren(...chunks.map(chunkOf));
    this.#viewer.classList.toggle("wraps", !path.endsWith(".yaml"));
    const first = this.#viewer.querySelector("ins, del");
    if (first) this.#viewer.scrollTop = first.offsetTop - this.#viewer.clientHeight / 3;
    else if (other) this.#viewer.scrollTop = 0;
    show(this.#more, false);
  }
}

function chunkOf({ mark, text: words }) {
  if (mark === "same") return h("span", {}, `${words}\n`);
  const lines = words.split("\n").map((line) => h("span", { class: "line" }, `${line}\n`));
  return h(mark === "new" ? "ins" : "del", {}, ...lines);
}

// The files with what the last choice did to each.
function marked(files, before) {
  const known = new Map((before ?? []).map(({ path, digest }) => [path, digest]));
  const now = new Set(files.map(({ path }) => path));
  const mark = ({ path, digest }) => (before === null ? "" : !known.has(path) ? "new" : known.get(path) === digest ? "" : "changed");
  const found = files.map((file) => ({ path: file.path, mark: mark(file) }));
  const gone = [...known.keys()].filter((path) => !now.has(path)).map((path) => ({ path, mark: "gone" }));
  return [...found, ...gone].sort((a, b) => inOrder(a.path, b.path));
}

// The files of a folder before its folders: README.md is at the top.
function inOrder(a, b) {
  const [left, right] = [a.split("/"), b.split("/")];
  for (let at = 0; ; at++) {
    const [last, other] = [at === left.length - 1, at === right.length - 1];
    if (last !== other) return last ? -1 : 1;
    if (left[at] !== right[at]) return left[at] < right[at] ? -1 : 1;
    if (last) return 0;
  }
}

function summary(files, all) {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const count = (wanted) => all.filter(({ mark }) => mark === wanted).length;
  const parts = ["new", "changed", "gone"].filter(count).map((mark) => `${count(mark)} ${mark}`);
  const changes = parts.length ? `; since the last choice: ${parts.join(", ")}` : "";
  return `${many(files.length, "file")}, ${(size / 1e6).toFixed(1)} MB${changes}`;
}
