// Problems of the connection, and short messages. Everything here is also read out.

import { attr, h, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";

const SAID_MS = 7_000;
const FINAL = { ended: "The stage was started again", closed: "This browser has no token" };

export class Notices {
  #said = h("p", { class: "said", role: "status", hidden: true });
  #timer = 0;

  constructor(root, store) {
    const words = h("span");
    const banner = h("p", { class: "banner", role: "status", hidden: true }, icon("warning"), words);
    const title = h("h1");
    const detail = h("p");
    const stop = h("section", { class: "stop", role: "alert", hidden: true }, h("div", {}, title, detail));
    root.append(banner, this.#said, stop);
    store.watch(({ connection }) => {
      const final = FINAL[connection.kind];
      document.body.dataset.connection = connection.kind;
      text(title, final);
      prose(detail, final ? connection.words : "");
      show(stop, Boolean(final));
      attr(stop, "data-kind", connection.kind);
      prose(words, connection.words);
      show(banner, Boolean(connection.words) && !final);
    });
  }

  // Shows a short message for some seconds.
  say(words) {
    clearTimeout(this.#timer);
    prose(this.#said, words);
    show(this.#said, true);
    this.#timer = setTimeout(() => show(this.#said, false), SAID_MS);
  }
}
