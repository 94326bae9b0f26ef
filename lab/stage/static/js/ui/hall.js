// The presenter's block about the audience's screen: black, the QR code, and how many phones have joined.

import { attr, h, prose, show, text } from "../dom.js";
import { presenterSide } from "../net/screens.js";
import { TO_JOIN, joined, openCode } from "./audience-code.js";

const NO_SCREEN = "The audience’s screen is not open in this browser.";
const STATES = { "": "", black: "It is black now.", code: "It shows the QR code now." };

// Returns {black, code}: what the keys do.
export function hall(root, app) {
  const { store, notices } = app;
  const button = (press) => {
    const parts = { label: h("b"), below: h("small") };
    parts.button = h("button", { type: "button", class: "control", onclick: press }, parts.label, parts.below);
    return parts;
  };
  let over = null;
  const toggle = (name) => {
    if (over === null) notices.say(NO_SCREEN);
    else side.lay(over === name ? "" : name);
  };
  const black = button(() => toggle("black"));
  const there = button(() => (store.state?.audience ? toggle("code") : openCode(app)));
  const here = button(() => openCode(app));
  const state = h("p", { class: "over", role: "status" });
  const count = h("p", { class: "count" });
  root.append(state, h("div", { class: "choices" }, black.button, there.button, here.button), count);
  const update = () => {
    const audience = store.state?.audience;
    text(state, over === null ? NO_SCREEN : STATES[over]);
    show(state, over !== "");
    name(black, over === "black" ? "Show the screen" : "Black screen", over === null ? NO_SCREEN : "B, or the clicker’s key", over === null);
    name(there, over === "code" ? "Take the QR code away" : "QR code on their screen", !audience ? TO_JOIN : over === null ? NO_SCREEN : "", !audience || over === null);
    name(here, "QR code here", "Q", false);
    show(here.button, Boolean(audience));
    show(there.button, store.state?.mode !== "replay");
    text(count, audience ? `${joined(audience)} so far` : "");
    show(count, Boolean(audience));
  };
  const side = presenterSide((now) => {
    over = now;
    update();
  });
  store.watch(update);
  return { black: () => toggle("black"), code: () => openCode(app) };
}

function name({ button, label, below }, words, detail, disabled) {
  text(label, words);
  prose(below, detail);
  show(below, Boolean(detail));
  attr(button, "aria-disabled", disabled ? "true" : null);
}
