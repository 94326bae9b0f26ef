// What the browser knows: the server's last state, and what came after it. No DOM, no network.

const OUTPUT_LINES = 400;
const FRAME_MS = 16; // a command may print thousands of lines a second

export class Store {
  state = null;
  receivedMs = 0; // performance.now() of the last state: clocks run on from there
  panels = new Map(); // cluster -> its last panel
  lost = new Map(); // cluster -> words
  output = []; // {kind, text, console} of the current step, the newest last
  connection = { kind: "connecting", words: "" };
  typing = ""; // the console into which a step typed last
  #listeners = new Set();
  #planned = false;

  // Calls `show` now and after each change; several changes at once make one call.
  // Returns a function that ends it.
  watch(show) {
    this.#listeners.add(show);
    show(this);
    return () => this.#listeners.delete(show);
  }

  changed() {
    if (this.#planned) return;
    this.#planned = true;
    setTimeout(() => {
      this.#planned = false;
      for (const show of this.#listeners) show(this);
    }, FRAME_MS);
  }

  connect(kind, words) {
    this.connection = { kind, words };
    this.changed();
  }

  event(name, data) {
    this.#handlers[name]?.(data);
    this.changed();
  }

  #handlers = {
    state: (state) => {
      const began = state.running?.since;
      if (began && began !== this.state?.running?.since) this.output = [];
      this.state = state;
      this.receivedMs = performance.now();
      for (const panel of state.panels ?? []) this.panels.set(panel.cluster, panel);
      for (const { name, reachable } of state.clusters) if (reachable) this.lost.delete(name);
    },
    output: (line) => {
      this.output = [...this.output.slice(1 - OUTPUT_LINES), line];
      if (line.console) this.typing = line.console;
    },
    panel: (panel) => {
      this.panels.set(panel.cluster, panel);
      if (panel.reachable) this.lost.delete(panel.cluster);
    },
    mark: (mark) => this.#append("marks", mark),
    note: (note) => this.#append("notes", note),
    console: (changed) => {
      if (!this.state) return;
      const others = this.state.consoles.filter(({ name }) => name !== changed.name);
      const known = this.state.consoles.find(({ name }) => name === changed.name);
      const consoles = changed.closed ? others : [...others, { ...known, ...changed }];
      this.state = { ...this.state, consoles };
    },
    lost: ({ cluster, words }) => this.lost.set(cluster, words),
  };

  // The next whole state has it too; until then it is shown at once.
  #append(name, item) {
    if (!this.state) return;
    const known = this.state[name] ?? [];
    if (known.some((one) => one.at === item.at && one.text === item.text)) return;
    this.state = { ...this.state, [name]: [...known, item] };
  }
}
