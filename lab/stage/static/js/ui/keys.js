// The keyboard. Its owner is the stage, a console, or the page in the frame: a person always sees which.

import { COMMANDS } from "../model/actions.js";
import { changeZoom, nextTheme } from "../model/settings.js";
import { isOpen } from "./dialog.js";

const BY_KEY = new Map(COMMANDS.flatMap((command) => command.keys.map((key) => [key, command.name])));
const OWN_KEYS = "input, select, textarea, [role=tab], [role=separator], [role=slider]";
const PRESSED = "a, button, summary, label"; // what Enter and Space press

// Further keys, for the help. `in`: the screen that has it, if it is one only; `live`: a replay does not have it; `served`: an
// exported file does not.
const OTHERS = [
  { shown: "1 – 4", label: "Jump to an act" },
  { shown: "I", label: "Inject a fault", live: true },
  { shown: "M", label: "Set a mark", live: true },
  { shown: "B or .", label: "Black screen for the audience" },
  { shown: "Q", label: "QR code for the audience", live: true },
  { shown: "P", label: "Presenter’s screen", in: "audience", served: true },
  { shown: "O", label: "Objects beside the consoles", in: "audience" },
  { shown: "+ − 0", label: "Larger, smaller, usual text" },
  { shown: "T", label: "Light, dark, as the system" },
  { shown: "Esc Esc", label: "From a console back to the stage", in: "audience", live: true },
  { shown: "?", label: "All keys" },
];
const IN_REPLAY = [
  { shown: "Enter, Space", label: "Play or pause" },
  { shown: "→, PageDown", label: "10 s forward" },
  { shown: "←, PageUp", label: "10 s back" },
];

// Whether a server is there; an exported replay has none.
export function isServed() {
  return location.protocol.startsWith("http");
}

// The keys of a screen, for the help: [{shown, label}].
export function keysOf({ replay, presenter }) {
  const screen = presenter ? "presenter" : "audience";
  const others = OTHERS.filter((key) => (!key.in || key.in === screen) && !(replay && key.live) && !(key.served && !isServed()));
  return [...(replay ? IN_REPLAY : COMMANDS), ...others];
}

// extra: {key: function} for keys of one screen; act(number) for the digits.
export function listenToKeys({ actions, extra = {}, act = () => {} }) {
  const common = { t: nextTheme, "+": () => changeZoom(1), "=": () => changeZoom(1), "-": () => changeZoom(-1), 0: () => changeZoom(0) };
  const handlers = { ...common, ...extra };
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
    const { target } = event;
    if (target.closest(".xterm") || target.closest(OWN_KEYS)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((key === "Enter" || key === " ") && target.closest(PRESSED)) return;
    const command = BY_KEY.get(key);
    if (!command && !handlers[key] && !/^[1-9]$/.test(key)) return;
    event.preventDefault();
    if (event.repeat) return; // a key that is held down is one press
    if (handlers[key]) handlers[key]();
    else if (command) actions.do(command);
    else act(Number(key));
  });
  // After a click the keys belong to the stage again: Enter must not press that button twice.
  addEventListener("click", (event) => {
    if (event.detail > 0) event.target.closest("button")?.blur();
  });
}
