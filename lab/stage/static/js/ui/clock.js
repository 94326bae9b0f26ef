// Elapsed against rehearsed time: of the talk, and of the current step.

import { attr, h, show, text } from "../dom.js";
import { elapsed, minutes, pointed } from "../model/select.js";

export function clock(root, { store, ticks }) {
  const now = h("b", { class: "elapsed" });
  const talk = h("span");
  const step = h("span", { class: "ofstep" });
  root.append(now, h("span", { class: "plan" }, talk, step));
  const tick = () => {
    const { state } = store;
    if (!state) return;
    const seconds = elapsed(store);
    const { rehearsed_s: planned } = state.clock;
    text(now, minutes(seconds));
    attr(now, "aria-label", `Elapsed ${minutes(seconds)}`);
    text(talk, planned === null ? "not rehearsed" : `of ${minutes(planned)} rehearsed`);
    attr(root, "data-late", planned !== null && seconds > planned);
    const at = pointed(state);
    const took = at?.seconds >= 1 ? `step ${minutes(at.seconds)}` : "";
    const plan = at?.rehearsed_s ? `step rehearsed ${minutes(at.rehearsed_s)}` : "";
    text(step, [took, plan].filter(Boolean).join(", "));
    show(step, Boolean(took || plan));
  };
  store.watch(tick);
  ticks(tick);
}
