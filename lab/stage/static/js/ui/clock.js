// Elapsed against rehearsed time: of the talk, and of the current step.

import { attr, h, show, text } from "../dom.js";
import { ahead, elapsed, minutes, pointed } from "../model/select.js";

const SAME_S = 1; // clocks show whole seconds

export function clock(root, { store, ticks }) {
  const now = h("b", { class: "elapsed" });
  const talk = h("span");
  const step = h("span", { class: "ofstep" });
  const pace = h("b", { class: "pace" });
  root.append(now, h("span", { class: "plan" }, pace, talk, step));
  const tick = () => {
    const { state } = store;
    if (!state) return;
    const seconds = elapsed(store);
    const planned = state.clock.rehearsed_s ?? null;
    const earlier = state.mode === "replay" ? null : ahead(store);
    text(now, minutes(seconds));
    attr(now, "aria-label", `Elapsed ${minutes(seconds)}`);
    text(talk, planned === null ? "not rehearsed" : `of ${minutes(planned)} rehearsed`);
    attr(talk, "title", planned === null ? "lab stage --auto plays all steps and keeps their times" : null);
    attr(root, "data-late", earlier !== null && earlier <= -SAME_S);
    text(pace, wordsOf(earlier));
    show(pace, earlier !== null);
    const at = pointed(state);
    const took = at?.seconds >= 1 ? `step ${minutes(at.seconds)}` : "";
    text(step, [took, at?.rehearsed_s ? `step ${minutes(at.rehearsed_s)} rehearsed` : ""].filter(Boolean).join(", "));
    show(step, Boolean(step.textContent));
  };
  store.watch(tick);
  ticks(tick);
}

function wordsOf(earlier) {
  if (earlier === null) return "";
  if (earlier >= SAME_S) return `ahead by ${minutes(earlier)}`;
  return earlier <= -SAME_S ? `behind by ${minutes(-earlier)}` : "on time";
}
