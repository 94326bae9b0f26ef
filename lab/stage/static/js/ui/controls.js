// The presenter's buttons. One that is not possible now stays where it is, and says why.

import { attr, h, prose, text } from "../dom.js";
import { icon } from "../icons.js";
import { COMMANDS } from "../model/actions.js";

// Fills `root` with a button for each command; with `only`, for these commands.
export function controls(root, { store, actions }, only = COMMANDS.map(({ name }) => name)) {
  const buttons = COMMANDS.filter(({ name }) => only.includes(name)).map((command) => {
    const label = h("b", {}, command.label);
    const below = h("small", {}, command.shown);
    const press = () => actions.do(command.name);
    const classes = command.name === "go" ? "control primary" : "control";
    const button = h("button", { type: "button", class: classes, "data-command": command.name, onclick: press }, label, below);
    return { command, button, label, below };
  });
  root.append(...buttons.map(({ button }) => button));
  store.watch(({ state }) => {
    for (const { command, button, label, below } of buttons) {
      const why = actions.whyNot(command.name);
      attr(button, "aria-disabled", why ? "true" : null);
      attr(button, "title", why ?? `Key: ${command.shown}`);
      const { label: words, note } = command.name === "go" && state ? actions.meaning : { label: command.label };
      const short = command.name === "go" ? why : why?.split(";")[0]; // the whole reason is in the tip, and said after a press
      prose(below, why && !actions.busy ? short : [note, command.shown].filter(Boolean).join(". "));
      text(label, words);
    }
  });
}

// The large button of the audience's screen: it runs the step, or moves on.
export function goButton({ store, actions }) {
  const label = h("b");
  const sign = h("span", { class: "sign" });
  const button = h("button", { type: "button", class: "primary go", onclick: () => actions.do("go") }, sign, label, h("kbd", {}, "Enter"));
  store.watch(({ state }) => {
    if (!state) return;
    const why = actions.whyNot("go");
    const { label: words, verb } = actions.meaning;
    text(label, words);
    if (sign.dataset.sign !== verb) {
      sign.dataset.sign = verb;
      sign.replaceChildren(icon(verb === "run" ? "run" : "next"));
    }
    attr(button, "aria-disabled", why ? "true" : null);
    attr(button, "title", why ?? "Key: Enter, Space, →, PageDown");
  });
  return button;
}
