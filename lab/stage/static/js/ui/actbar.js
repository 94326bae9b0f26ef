// The talk's four acts, each with a sign for each of its steps; a press jumps there.

import { attr, h, list, text } from "../dom.js";
import { LOOKS, isPast, lookOf, placeOfAct, pointed, stepsOfAct } from "../model/select.js";
import { confirm } from "./dialog.js";

const PLACES = { past: "over", now: "now", future: "to come" };

export function actBar(root, app) {
  const { store } = app;
  const items = h("ol", { class: "acts" });
  root.append(items);
  store.watch(({ state }) => {
    if (!state) return;
    list(items, state.acts, {
      key: ({ number }) => number,
      make: (act) => {
        const steps = h("span", { class: "steps", "aria-hidden": "true" });
        const name = h("span", { class: "name" });
        const word = h("span", { class: "unseen" });
        const button = h("button", { type: "button", class: "act", onclick: () => jumpToAct(app, act.number) }, steps, h("b", {}, act.number), name, word);
        const item = h("li", {}, button);
        item.parts = { steps, name, word, button };
        return item;
      },
      update: (item, act) => {
        const { steps, name, word, button } = item.parts;
        const place = placeOfAct(state, act);
        const why = app.actions.whyNot("jump");
        text(name, act.title);
        text(word, `, act ${act.number}, ${PLACES[place]}`);
        attr(button, "data-place", place);
        attr(button, "aria-current", place === "now" ? "step" : null);
        attr(button, "aria-disabled", why ? "true" : null);
        attr(button, "title", why ?? `Jump to act ${act.number}. Key: ${act.number}`);
        list(steps, stepsOfAct(state, act), {
          key: ({ id }) => id,
          make: () => h("i"),
          update: (sign, step) => {
            const look = lookOf(state, step);
            attr(sign, "data-look", look === "idle" && isPast(state, step) ? "past" : look);
            attr(sign, "data-here", step === pointed(state));
            attr(sign, "title", `${step.title}: ${LOOKS[look]}`);
          },
        });
      },
    });
  });
}

// Jumps at once if nothing has begun; else a person confirms, because the jump undoes it.
export function jumpToAct(app, number) {
  const act = app.store.state?.acts.find((one) => one.number === number);
  if (act) jump(app, number, `Jump to act ${number}, ${act.title}?`);
}

export function jump(app, to, question) {
  const { actions } = app;
  if (actions.whyNot("jump") || !actions.jumpUndoes) actions.jump(to);
  else confirm(question, "The steps that have begun are undone first.", "Undo and jump", () => actions.jump(to));
}
