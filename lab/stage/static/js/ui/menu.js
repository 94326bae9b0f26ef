// The audience's screen has one button; everything else is in this menu.

import { h } from "../dom.js";
import { COMMANDS } from "../model/actions.js";
import { changeZoom, nextTheme, theme } from "../model/settings.js";
import { openCode } from "./audience-code.js";
import { controls } from "./controls.js";
import { openDialog, openWatching } from "./dialog.js";
import { faults } from "./faults.js";
import { OTHERS } from "./keys.js";

export function openFaults(app) {
  openWatching("Inject a fault", app, (watching) => {
    const root = h("div");
    faults(root, watching);
    return [h("p", { class: "lead" }, "Each fault is intended, marked on the timeline, and has its undo."), root];
  });
}

export function openKeys() {
  openDialog("Keys", keys());
}

export function openMenu(app, { togglePanels }) {
  const dialog = openWatching("The stage", app, (watching) => {
    const buttons = h("div", { class: "controls" });
    controls(buttons, watching);
    const more = h("div", { class: "choices" });
    const add = (words, run) => more.append(h("button", { type: "button", class: "control", onclick: run }, h("b", {}, words)));
    const instead = (open) => () => {
      dialog.close();
      open(app);
    };
    add("Inject a fault", instead(openFaults));
    add("Set a mark", instead(askMark));
    if (app.store.state?.audience) add("QR code", instead(openCode));
    add("Objects on or off", togglePanels);
    add("Presenter’s screen", () => window.open("/presenter", "lab-stage-presenter"));
    more.append(...settings().children);
    return [buttons, more, h("details", {}, h("summary", {}, "Keys"), keys())];
  });
}

// Buttons for text size and colours.
export function settings() {
  const button = (words, run) => h("button", { type: "button", class: "control", onclick: run }, h("b", {}, words));
  const name = () => `Colours: ${theme()}`;
  const themed = button(name(), () => {
    nextTheme();
    themed.firstChild.textContent = name();
  });
  return h("div", { class: "choices" }, button("Larger text", () => changeZoom(1)), button("Smaller text", () => changeZoom(-1)), themed);
}

function keys() {
  const rows = [...COMMANDS, ...OTHERS].map(({ shown, label }) => h("div", {}, h("dt", {}, shown), h("dd", {}, label)));
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
