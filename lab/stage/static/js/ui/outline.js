// All steps by scenario, each with its state; a press jumps there.

import { attr, h, list, text } from "../dom.js";
import { LOOKS, lookOf, pointed, stepsOf } from "../model/select.js";
import { jump } from "./actbar.js";

export function outline(root, app) {
  const items = h("ol", { class: "outline" });
  root.append(items);
  app.store.watch(({ state }) => {
    if (!state) return;
    list(items, state.scenarios, {
      key: ({ name }) => name,
      make: () => {
        const parts = { title: h("h3"), steps: h("ol") };
        const item = h("li", {}, parts.title, parts.steps);
        item.parts = parts;
        return item;
      },
      update: ({ parts }, scenario) => {
        text(parts.title, scenario.skipped ? `${scenario.title} (left out: ${scenario.skipped})` : scenario.title);
        list(parts.steps, stepsOf(state, scenario.name), {
          key: ({ id }) => id,
          make: (step) => row(step, app),
          update: (item, step) => show(item.firstChild, step, state, app),
        });
      },
    });
  });
}

function row({ id, title }, app) {
  const press = () => jump(app, id, `Jump to “${title}”?`);
  return h("li", {}, h("button", { type: "button", onclick: press }, h("i", { "aria-hidden": "true" }), h("span"), h("small")));
}

function show(button, step, state, app) {
  const [sign, name, word] = button.children;
  const look = lookOf(state, step);
  const why = app.actions.whyNot("jump");
  attr(sign, "data-look", look);
  text(name, step.title);
  text(word, look === "idle" ? "" : LOOKS[look]);
  attr(button, "aria-current", step === pointed(state) ? "step" : null);
  attr(button, "aria-disabled", why ? "true" : null);
  attr(button, "title", why ?? `Jump to step ${step.number}`);
}
