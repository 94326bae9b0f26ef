// The QR code with which the audience joins, and how many have.

import { h, text } from "../dom.js";
import { openWatching } from "./dialog.js";

export function openCode(app) {
  const { store, notices } = app;
  const { audience } = store.state;
  if (!audience) {
    notices.say("No audience: start the stage with `lab stage --audience ADDRESS`.");
    return;
  }
  const dialog = openWatching("Take part", app, ({ store: watched }) => {
    const image = h("img", { alt: `QR code of ${audience.url}`, src: `data:image/svg+xml,${encodeURIComponent(audience.qr_svg)}` });
    const count = h("p", { class: "count" });
    watched.watch(({ state }) => text(count, state.audience ? `${state.audience.phones} phones, ${state.audience.requests} requests` : ""));
    return [h("div", { class: "code" }, image, h("p", { class: "url" }, audience.url), count)];
  });
  dialog.classList.add("wide");
}
