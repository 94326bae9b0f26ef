// What happened last: marks, notes and faults that are active. An intended failure is labelled as such.

import { attr, h, list, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { timeOfDay } from "../model/select.js";

// The newest `limit` lines, the newest first, of the marks that are `marked`; active faults stay on top.
function entries(state, limit, marked) {
  const faults = state.faults
    .filter(({ active }) => active)
    .map(({ id, title }) => ({ key: `fault/${id}`, sign: "fault", text: title, label: "fault, intended", at: null }));
  const marks = (state.marks ?? []).filter(marked).map((mark) => ({ key: `mark/${mark.at}/${mark.text}`, sign: "mark", label: mark.intended ? "intended" : "", ...mark }));
  const notes = (state.notes ?? []).map((note) => ({ key: `note/${note.at}/${note.text}`, sign: "note", label: "", ...note }));
  const events = [...marks, ...notes].sort((one, other) => other.at - one.at);
  return [...faults, ...events.slice(0, Math.max(0, limit - faults.length))];
}

export function log(root, { store }, limit, marked = () => true) {
  const items = h("ol", { class: "log", "aria-label": "What happened last" });
  root.append(items);
  store.watch(({ state }) => {
    if (!state) return;
    list(items, entries(state, limit, marked), {
      key: ({ key }) => key,
      make: ({ sign, at }) => {
        const parts = { words: h("span", { class: "words" }), label: h("small", { class: "label" }) };
        const time = at === null ? null : h("time", {}, timeOfDay(at));
        const item = h("li", { "data-sign": sign }, icon(sign), time, parts.words, parts.label);
        item.parts = parts;
        return item;
      },
      update: ({ parts }, { text: words, label }) => {
        prose(parts.words, words);
        text(parts.label, label);
        show(parts.label, Boolean(label));
      },
    });
    attr(root, "data-empty", items.childElementCount === 0);
  });
}
