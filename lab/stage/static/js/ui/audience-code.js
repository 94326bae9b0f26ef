// The QR code with which the audience joins, and how many have.

import { h, text } from "../dom.js";
import { openWatching } from "./dialog.js";

export const TO_JOIN = "Needs `lab stage --audience ADDRESS`";
const NO_AUDIENCE = "The audience cannot join: start the stage with `lab stage --audience ADDRESS`.";

const CLOSING = new Set(["q", "Q", "Enter", " ", "PageDown", "PageUp", "ArrowRight", "ArrowLeft"]); // a clicker, too

const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

export function joined({ phones, requests }) {
  return `${many(phones, "phone")}, ${many(requests, "request")}`;
}

// Returns the dialog; without an audience, says how to get one, and returns null.
export function openCode(app) {
  const { store, notices } = app;
  const { audience } = store.state;
  if (!audience) {
    notices.say(store.state.mode === "replay" ? "A replay has no audience." : NO_AUDIENCE);
    return null;
  }
  const dialog = openWatching("Take part with your phone", app, ({ store: watched }) => {
    const image = h("img", { alt: `QR code of ${audience.url}`, src: `data:image/svg+xml,${encodeURIComponent(audience.qr_svg)}` });
    const how = h("p", {}, "Scan the code, or type the address below. Each tap on your phone is one real request through the mesh.");
    const url = h("p", { class: "url" }, audience.url);
    url.style.setProperty("--letters", audience.url.length);
    const count = h("p", { class: "count" });
    watched.watch(({ state }) => text(count, state.audience ? joined(state.audience) : ""));
    return [h("div", { class: "code" }, image, h("div", { class: "how" }, how, count), url)];
  });
  dialog.classList.add("hall");
  dialog.addEventListener("keydown", (event) => {
    if (!CLOSING.has(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!event.repeat) dialog.close(); // the key that opened it may still be down
  });
  return dialog;
}
