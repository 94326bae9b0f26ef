// What a presenter can do, each with its key, and the reason why it is not possible now. Every button and every key
// goes through `Actions`: one table for the buttons, the keys and the help.

import { post } from "../net/api.js";
import { begun, meaningOfGo, pointed } from "./select.js";

const COOLDOWN_MS = 600; // two presses of a clicker are one

export const COMMANDS = [
  { name: "go", label: "Run, or next", keys: ["Enter", " ", "ArrowRight", "PageDown"], shown: "Enter, Space, →, PageDown" },
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
  #sentMs = -Infinity;
  #pending = null;

  // tell(words) shows a problem.
  constructor(store, tell) {
    this.#store = store;
    this.#tell = tell;
  }

  get pending() {
    return this.#pending;
  }

  // The reason why a command is not possible now, or null.
  whyNot(name) {
    const { state, connection } = this.#store;
    if (!state) return "The stage has not answered yet.";
    if (!["live", "polling"].includes(connection.kind)) return "No connection to the stage.";
    if (state.mode === "replay") return "A replay only shows what was.";
    const disabled = state.disabled ?? {};
    switch (name) {
      case "until_green":
        return disabled["check-until-green"] ?? null;
      case "interrupt":
        return state.running ? (disabled.interrupt ?? null) : "Nothing runs.";
      case "jump":
        return state.running ? "A step runs." : (disabled.jump ?? null);
      default:
        return disabled[name] ?? null;
    }
  }

  // Sends a command; a problem is told, never thrown.
  async do(name) {
    const why = this.whyNot(name);
    if (why) {
      this.#tell(why);
      return;
    }
    const step = pointed(this.#store.state);
    const at = step?.id ?? null;
    if (WISHES.has(name)) await this.#send(name, "/api/wish", { wish: name, at, turn: this.#store.state.turn });
    else if (name === "until_green") await this.#send(name, "/api/check-until-green", { at });
    else await this.#send(name, "/api/interrupt", {});
  }

  async jump(to) {
    const why = this.whyNot("jump");
    if (why) this.#tell(why);
    else await this.#send("jump", "/api/jump", { to });
  }

  // Whether a jump changes the clusters, so that a person should confirm it.
  get jumpUndoes() {
    return begun(this.#store.state);
  }

  async fault(id, action) {
    await this.#send(`fault/${id}`, `/api/faults/${encodeURIComponent(id)}`, { action });
  }

  async mark(words) {
    await this.#send("mark", "/api/mark", { text: words });
  }

  async replay(action, at_s, speed = 1) {
    await this.#send("replay", "/api/replay", { action, at: at_s, speed }, { cooldown: false });
  }

  get meaning() {
    return meaningOfGo(this.#store.state);
  }

  async #send(name, path, body, { cooldown = true } = {}) {
    if (cooldown && (this.#pending || performance.now() - this.#sentMs < COOLDOWN_MS)) return;
    this.#sentMs = performance.now();
    this.#pending = name;
    this.#store.changed();
    try {
      await post(path, body);
    } catch (error) {
      this.#tell(error.words ?? String(error));
    } finally {
      this.#sentMs = performance.now();
      this.#pending = null;
      this.#store.changed();
    }
  }
}
