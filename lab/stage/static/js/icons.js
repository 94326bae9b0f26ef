// The few signs of the stage, drawn with one stroke: a shape for each meaning, so that colour is never alone.

import { svg } from "./dom.js";

const PATHS = {
  passed: "M4 12.5l5.5 5.5L20 6.5",
  failed: "M5.5 5.5l13 13M18.5 5.5l-13 13",
  errored: "M12 4v10M12 18.5v1",
  skipped: "M5 12h14",
  waiting: "M12 7v5l3.5 2.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  run: "M7 4.5v15l12-7.5z",
  next: "M5 12h13M12.5 5.5L19 12l-6.5 6.5",
  pause: "M8 5v14M16 5v14",
  mark: "M6 21V4M6 5h12l-3.5 4L18 13H6",
  fault: "M13 3L5.5 13.5H12L11 21l7.5-10.5H12z",
  note: "M12 11v6M12 7.2v.4M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  warning: "M12 3.5L2.5 20h19zM12 10v4.5M12 17v.6",
  keyboard: "M3 6.5h18v11H3zM7 10h.1M11 10h.1M15 10h.1M17.5 13.5h.1M6.5 13.5h.1M9.5 14h5",
  menu: "M4 6.5h16M4 12h16M4 17.5h16",
  close: "M6 6l12 12M18 6L6 18",
  objects: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  link: "M5 12h14M15 8l4 4-4 4",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
