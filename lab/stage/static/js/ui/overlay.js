// What lies over the audience's screen: nothing, a black screen, or the QR code. Keys here and the presenter's window
// change it.

import { audienceSide } from "../net/screens.js";
import { openCode } from "./audience-code.js";
import { openBlack } from "./black.js";

const OPENERS = { black: openBlack, code: openCode };

// Returns {lay}: lay("black"), lay("code"), lay("").
export function overlay(app) {
  let open = null; // {name, dialog}
  const lay = (name) => {
    if (name === (open?.name ?? "")) return;
    const before = open;
    open = null;
    before?.dialog.close();
    const dialog = app.store.state && OPENERS[name]?.(app);
    if (dialog) {
      const here = { name, dialog };
      open = here;
      dialog.addEventListener("close", () => {
        if (open !== here) return; // another one is there instead
        open = null;
        told("");
      });
    }
    told(open?.name ?? "");
  };
  const { told } = audienceSide(lay);
  return { lay };
}
