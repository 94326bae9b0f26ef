// Dialogs: the browser's own, so that focus, Escape and screen readers work.

import { h } from "../dom.js";
import { icon } from "../icons.js";

// Opens a dialog with a title and a button that closes it; returns the dialog, which is removed when it closes.
export function openDialog(title, ...content) {
  const close = h("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"));
  const head = h("div", { class: "head" }, h("h2", { id: "dialog-title", tabindex: "-1", autofocus: true }, title), close);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, head, ...content);
  // A person who works with the mouse gets the stage's keys back, not the button that opened the dialog.
  const byKeyboard = document.activeElement?.matches(":focus-visible");
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (!byKeyboard) document.activeElement?.blur();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Opens a dialog whose content watches the store only while it is open; `fill(app)` returns the content.
export function openWatching(title, app, fill) {
  const ends = [];
  const store = {
    get state() {
      return app.store.state;
    },
    watch: (show) => ends.push(app.store.watch(show)),
  };
  const dialog = openDialog(title, ...fill({ ...app, store }));
  dialog.addEventListener("close", () => ends.forEach((end) => end()));
  return dialog;
}

// Asks a question; calls `yes` if the answer is yes.
export function confirm(title, words, label, yes) {
  const agree = () => {
    dialog.close();
    yes();
  };
  const button = h("button", { type: "button", class: "primary", onclick: agree }, label);
  const dialog = openDialog(title, h("p", {}, words), h("p", { class: "buttons" }, button));
  dialog.classList.add("question");
  button.focus();
}

export function isOpen() {
  return document.querySelector("dialog[open]") !== null;
}
