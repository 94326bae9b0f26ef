// The inject menu: each fault with its effect, and its undo.

import { attr, h, list, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";

export function faults(root, { store, actions }) {
  const items = h("ul", { class: "faults" });
  const none = h("p", { class: "empty" }, "This stage has no faults to inject.");
  root.append(items, none);
  store.watch(({ state }) => {
    if (!state) return;
    const all = state.faults ?? [];
    show(none, all.length === 0);
    list(items, all, {
      key: ({ id }) => id,
      make: (fault) => {
        const parts = { effect: h("p", { class: "effect" }), label: h("b"), why: h("small"), badge: h("small", { class: "label" }, icon("fault"), "active, intended") };
        const press = () => {
          const now = store.state.faults.find(({ id }) => id === fault.id);
          if (!whyNot(actions, now)) actions.fault(now.id, now.active ? "undo" : "inject");
        };
        parts.button = h("button", { type: "button", class: "control", onclick: press }, parts.label, parts.why);
        const typed = [...(fault.commands ?? []), "", "# undo:", ...(fault.undo_commands ?? [])].join("\n");
        const commands = h("details", {}, h("summary", {}, "Commands"), h("pre", { class: "script" }, typed));
        const item = h("li", { class: "fault" }, h("div", {}, h("h3", {}, fault.title, " ", parts.badge), parts.effect, commands), parts.button);
        item.parts = parts;
        return item;
      },
      update: (item, fault) => {
        const { effect, label, why, badge, button } = item.parts;
        const reason = whyNot(actions, fault);
        attr(item, "data-active", fault.active);
        prose(effect, fault.effect);
        show(badge, fault.active);
        text(label, fault.active ? fault.undo_title || "Undo" : "Inject");
        prose(why, reason);
        show(why, Boolean(reason) && !actions.busy);
        attr(button, "aria-disabled", reason ? "true" : null);
        attr(button, "title", reason);
        attr(button, "aria-label", fault.active ? `${fault.undo_title || "Undo"}: ${fault.title}` : `Inject: ${fault.title}`);
      },
    });
  });
}

function whyNot(actions, fault) {
  if (fault.disabled) return fault.disabled[0].toUpperCase() + fault.disabled.slice(1);
  return actions.whyNot("fault");
}
