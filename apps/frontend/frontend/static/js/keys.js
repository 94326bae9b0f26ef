// The keyboard, and the dialogs for help and marks.

import { postJson } from "./api.js";
import { byId, element } from "./dom.js";

// [keys, what they do]; the first key is the one that the help shows.
const HELP = [
  ["Space", "stop or start"],
  ["+  −", "more or fewer requests per second"],
  ["1 … 5", "all, grid, split, timeline, topology"],
  ["U", "call the next upstream"],
  ["M", "set a mark on the timeline"],
  ["R", "count anew"],
  ["T", "light or dark"],
  ["?", "this help"],
];

export function prepareHelp() {
  for (const [keys, words] of HELP) {
    const name = element("dt");
    name.append(...keys.split("  ").map((key) => element("kbd", "", key)));
    byId("keys").append(name, element("dd", "", words));
  }
}

export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("select, textarea, input:not([type='checkbox'])")) return;
    // Space presses what has the focus, as everywhere.
    if (event.key === " " && event.target.closest("button, a, label, input")) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function openHelp() {
  byId("help-dialog").showModal();
}

export function prepareMarks() {
  const [dialog, form, text, intended, error] = ["mark-dialog", "mark-form", "mark-text", "mark-intended", "mark-error"].map(byId);
  byId("mark-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    try {
      await postJson("/api/marks", { text: text.value, kind: "note", intended: intended.checked });
      dialog.close();
    } catch (problem) {
      error.textContent = problem.next ? `${problem.what}. ${problem.next}.` : "The frontend does not answer: the mark is not set.";
    }
  });
}

export function openMark() {
  byId("mark-form").reset();
  byId("mark-error").textContent = "";
  byId("mark-dialog").showModal();
}
