// What a presenter can do, each with its key, and the reason why it is not possible now. Every button and every key
// goes through `Actions`: one table for the buttons, the keys and the help.

import { post } from "../net/api.js";
import { begun, meaningOfGo, pointed } from "./select.js";

const COOLDOWN_MS = 400; // two presses of a clicker are one

export const COMMANDS = [
  { name: "go", label: "Run, or next", keys: ["Enter", " ", "ArrowRight", "PageDown"], shown: "Enter, Space, → or a clicker (PageDown)" },
  { name: "back", label: "Back", keys: ["ArrowLeft", "PageUp"], shown: "←, PageUp" },
  { name: "repeat", label: "Repeat", keys: ["r"], shown: "R" },
  { name: "check", label: "Check", keys: ["c"], shown: "C" },
  { name: "until_green", label: "Check until green", keys: ["g"], shown: "G" },
  { name: "undo", label: "Undo", keys: ["u"], shown: "U" },
  { name: "skip", label: "Skip", keys: ["s"], shown: "S" },
  { name: "interrupt", label: "Interrupt", keys: ["x"], shown: "X" },
];
export const WISHES = new Set(["go", "repeat", "check", "skip", "back", "undo"]);

export class Actions {
  #store;
  #tell;
  #busy = false;

  // tell(words) shows a problem.
  constructor(store, tell) {
    this.#store = store;
    this.#tell = tell;
  }

  // A press was just sent: for a moment, no other one is.
  get busy() {
    return this.#busy;
  }

  // The reason why a command is not possible now, or null.
  whyNot(name) {
    const why = this.#whyNot(name);
    return why && why[0].toUpperCase() + why.slice(1);
  }

  #whyNot(name) {
    const { state, connection } = this.#store;
    if (!state) return "The stage has not answered yet";
    if (!["live", "polling"].includes(connection.kind)) return "No connection to the stage";
    if (state.mode === "replay") return "A replay only shows what was";
    if (this.#busy && name !== "interrupt") return "One moment";
    const disabled = state.disabled ?? {};
    switch (name) {
      case "until_green":
        return disabled["check-until-green"] ?? null;
      case "interrupt":
        return state.running ? (disabled.interrupt ?? null) : "Nothing runs";
      case "jump":
        return state.running ? "A step runs" : (disabled.jump ?? null);
      default:
        return disabled[name] ?? null;
    }
  }

  // Sends a command; a problem is told, never thrown.
  async do(name) {
    if (this.#busy && name !== "interrupt") return;
    const why = this.whyNot(name);
    if (why) {
      this.#tell(why);
      return;
    }
    const step = pointed(this.#store.state);
    const at = step?.id ?? null;
    if (WISHES.has(name)) await this.#send("/api/wish", { wish: name, at, turn: this.#store.state.turn });
    else if (name === "until_green") await this.#send("/api/check-until-green", { at });
    else await this.#send("/api/interrupt", {});
  }

  async jump(to) {
    const why = this.whyNot("jump");
    if (why) this.#tell(why);
    else await this.#send("/api/jump", { to });
  }

  // Whether a jump changes the clusters, so that a person should confirm it.
  get jumpUndoes() {
    return begun(this.#store.state);
  }

  async fault(id, action) {
    await this.#send(`/api/faults/${encodeURIComponent(id)}`, { action });
  }

  async mark(words) {
    await this.#send("/api/mark", { text: words });
  }

  async replay(action, at_s, speed = 1) {
    try {
      await post("/api/replay", { action, at: at_s, speed });
    } catch (error) {
      this.#tell(error.words ?? String(error));
    }
  }

  get meaning() {
    return meaningOfGo(this.#store.state);
  }

  async #send(path, body) {
    const rest = new Promise((resolve) => setTimeout(resolve, COOLDOWN_MS));
    this.#become(true);
    try {
      await post(path, body);
    } catch (error) {
      this.#tell(error.words ?? String(error));
    }
    await rest;
    this.#become(false);
  }

  #become(busy) {
    this.#busy = busy;
    this.#store.changed();
  }
}
