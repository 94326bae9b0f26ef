// The bar between the page and the consoles: a person moves it with the mouse, a finger or the arrow keys.

import { h } from "../dom.js";
import { remember, remembered } from "../model/settings.js";

const [LEAST, MOST, USUAL, STEP] = [20, 65, 38, 2]; // per cent of the width

export function splitter(floor) {
  const bar = h("div", {
    class: "splitter",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": "Width of the page",
    "aria-valuemin": LEAST,
    "aria-valuemax": MOST,
  });
  const set = (percent) => {
    const width = Math.min(MOST, Math.max(LEAST, percent));
    floor.style.setProperty("--page", `${width}%`);
    bar.setAttribute("aria-valuenow", Math.round(width));
    remember("page", width);
  };
  const width = () => remembered("page", USUAL);
  bar.addEventListener("keydown", (event) => {
    const moved = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (moved) set(width() + moved);
    if (event.key === "Home") set(USUAL);
  });
  bar.addEventListener("dblclick", () => set(USUAL));
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    floor.dataset.moving = "";
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const { left, width: all } = floor.getBoundingClientRect();
    set((100 * (event.clientX - left)) / all);
  });
  bar.addEventListener("lostpointercapture", () => delete floor.dataset.moving);
  set(width());
  return bar;
}
