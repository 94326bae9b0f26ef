// A black screen, so that the hall looks at the speaker. Clickers have a key for it: "." or B.

import { h } from "../dom.js";

// Covers the screen until a key or a press; returns the dialog.
export function openBlack() {
  const dialog = h("dialog", { class: "black", "aria-label": "The screen is black" }, h("p", {}, "Any key shows the screen again."));
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) dialog.close(); // a key that is held down is one press
  });
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
