// The keys of the initializer. Those for text size, colours and help are the stage's.

import { h } from "../dom.js";
import { changeZoom, nextTheme } from "../model/settings.js";
import { isOpen, openDialog } from "../ui/dialog.js";
import { settings } from "../ui/look.js";

const KEYS = [
  { shown: "1 – 9", label: "Jump to a question" },
  { shown: "N, B", label: "Next question, the one before" },
  { shown: "Space, arrows", label: "Choose" },
  { shown: "F", label: "Files; arrows move, ← and → fold" },
  { shown: "C", label: "Copy the command" },
  { shown: "D", label: "Download the folder" },
  { shown: "+ − 0", label: "Larger, smaller, usual text" },
  { shown: "T", label: "Light, dark, as the system" },
  { shown: "?", label: "All keys" },
];

export function openHelp() {
  const rows = KEYS.map(({ shown, label }) => h("div", {}, h("dt", {}, shown), h("dd", {}, label)));
  openDialog("Keys and colours", h("dl", { class: "keys" }, ...rows), settings());
}

export function listenToKeys({ categories, files, taking, help }) {
  const handlers = {
    n: () => categories.step(1),
    b: () => categories.step(-1),
    f: () => files.focus(),
    c: taking.copy,
    d: taking.download,
    t: nextTheme,
    "+": () => changeZoom(1),
    "=": () => changeZoom(1),
    "-": () => changeZoom(-1),
    0: () => changeZoom(0),
    "?": help,
  };
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
    if (event.target.closest("input[type=text], select, textarea")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const run = /^[1-9]$/.test(key) ? () => categories.go(Number(key)) : handlers[key];
    if (!run) return;
    event.preventDefault();
    if (!event.repeat) run();
  });
}
