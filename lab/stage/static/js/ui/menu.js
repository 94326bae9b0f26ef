// The audience's screen has one button; everything else is in this menu.

import { h, prose } from "../dom.js";
import { TO_JOIN } from "./audience-code.js";
import { controls } from "./controls.js";
import { openDialog, openWatching } from "./dialog.js";
import { faults } from "./faults.js";
import { isServed, keysOf } from "./keys.js";
import { settings } from "./look.js";

export function openFaults(app) {
  openWatching("Inject a fault", app, (watching) => {
    const root = h("div");
    faults(root, watching);
    return [h("p", { class: "lead" }, "Each fault is intended, marked on the timeline, and has its undo."), root];
  });
}

export function openKeys(app, { presenter = false } = {}) {
  openDialog("Keys", keys(app, presenter));
}

export function openPresenter() {
  if (isServed()) window.open("/presenter", "lab-stage-presenter");
}

function openInitializer() {
  window.open("/initialize", "lab-stage-initializer");
}

// The audience's screen; `code` and `black` put something over it.
export function openMenu(app, { togglePanels, code, black }) {
  const dialog = openWatching("The stage", app, (watching) => {
    const { state } = app.store;
    const replayed = state?.mode === "replay";
    const buttons = h("div", { class: "controls" });
    if (!replayed) controls(buttons, watching);
    const more = h("div", { class: "choices" });
    const add = (words, run, detail = "", disabled = false) => {
      const below = h("small");
      prose(below, detail);
      more.append(h("button", { type: "button", class: "control", "aria-disabled": disabled && "true", onclick: run }, h("b", {}, words), detail && below));
    };
    const instead = (open) => () => {
      dialog.close();
      open(app);
    };
    if (!replayed) {
      add("Inject a fault", instead(openFaults), "I");
      add("Set a mark", instead(askMark), "M");
      add("QR code", instead(code), state?.audience ? "Q" : TO_JOIN, !state?.audience);
    }
    add("Black screen", instead(black), "B");
    add("Objects on or off", togglePanels, "O");
    if (isServed()) add("Presenter’s screen", openPresenter, "P");
    if (isServed() && !replayed) add("Initializer", openInitializer, "Your own clusters’ YAML");
    more.append(...settings().children);
    return [buttons, more, h("details", {}, h("summary", {}, "Keys"), keys(app))];
  });
  dialog.classList.add("wide");
}

function keys(app, presenter = false) {
  const all = keysOf({ replay: app.store.state?.mode === "replay", presenter });
  const rows = all.map(({ shown, label }) => h("div", {}, h("dt", {}, shown), h("dd", {}, label)));
  return h("dl", { class: "keys" }, ...rows);
}

export function askMark({ actions }) {
  const input = h("input", { type: "text", maxlength: "120", required: true, "aria-label": "Text of the mark", placeholder: "What happens now?" });
  const form = h("form", { class: "markform" }, input, h("button", { type: "submit", class: "primary" }, "Set the mark"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.mark(input.value.trim());
    dialog.close();
  });
  const dialog = openDialog("Mark this moment", h("p", { class: "lead" }, "The mark is shown here and on the page’s timeline."), form);
  input.focus();
}
