// How a screen looks in this browser: text size and colours.

import { h } from "../dom.js";
import { changeZoom, nextTheme, theme } from "../model/settings.js";

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
