// What happened last: marks, notes and faults that are active. An intended failure is labelled as such.

import { attr, h, list, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { timeOfDay } from "../model/select.js";

// Shows the newest `most` lines, the newest first; active faults stay on top. `of` chooses marks, and `for_s` is for how
// long a line is shown.
export function log(root, { store, ticks }, { most, of = () => true, for_s: shownFor = Infinity }) {
  const items = h("ol", { class: "log", "aria-label": "What happened last" });
  root.append(items);
  const update = () => {
    const { state } = store;
    if (!state) return;
    const since = state.mode === "replay" ? -Infinity : Date.now() / 1000 - shownFor;
    list(items, entries(state, { most, of, since }), { key: ({ key }) => key, make, update: fill });
    attr(root, "data-empty", items.childElementCount === 0);
  };
  store.watch(update);
  ticks(update);
}

function entries(state, { most, of, since }) {
  const faults = state.faults
    .filter(({ active }) => active)
    .map(({ id, title }) => ({ key: `fault/${id}`, sign: "fault", text: title, label: "fault, intended", at: null }));
  const repairs = new Set(state.faults.map(({ undo_title: title }) => title));
  const labelOf = ({ kind, text: words, intended }) => (intended && kind === "fault" && !repairs.has(words) ? "intended" : "");
  const marks = (state.marks ?? []).filter(of).map((mark) => ({ key: `mark/${mark.at}/${mark.text}`, sign: "mark", label: labelOf(mark), ...mark }));
  const notes = (state.notes ?? []).map((note) => ({ key: `note/${note.at}/${note.text}`, sign: "note", label: "", ...note }));
  const events = [...marks, ...notes].filter(({ at }) => at >= since).sort((one, other) => other.at - one.at);
  return [...faults, ...events.slice(0, Math.max(0, most - faults.length))];
}

function make({ sign, at }) {
  const parts = { words: h("span", { class: "words" }), label: h("small", { class: "label" }) };
  const time = at === null ? null : h("time", {}, timeOfDay(at));
  const item = h("li", { "data-sign": sign }, icon(sign), time, parts.words, parts.label);
  item.parts = parts;
  return item;
}

function fill({ parts }, { text: words, label }) {
  prose(parts.words, words);
  text(parts.label, label);
  show(parts.label, Boolean(label));
}
