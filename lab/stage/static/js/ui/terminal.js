// One console: a terminal bound to one of the server's shells.

import { FitAddon } from "../../vendor/addon-fit-0.11.0/lib/addon-fit.mjs";
import { Terminal } from "../../vendor/xterm-6.0.0/lib/xterm.mjs";
import { h } from "../dom.js";
import { isDark, watchTheme } from "../model/settings.js";
import { becomeFirst, guardReplies } from "./terminal-replies.js";
import { terminalTheme } from "./terminal-theme.js";

const COLUMNS = 70; // the letters are chosen for as many; kubectl's tables are about that wide
const LETTER = 0.602; // width of a letter, in its height
const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const SCROLLBACK = 2_000;
const RETRY_MS = 1_500;
const ESCAPES_MS = 600;
const GONE = 4404; // the server's close code for a console that has ended

export class ConsoleTerminal {
  element = h("div", { class: "terminal" });
  #terminal;
  #fit = new FitAddon();
  #socket = null;
  #timer = 0;
  #closed = false;
  #replaying = true;
  #first = false;
  #theirs = null; // the size that another window has chosen
  #mine = "";
  #observer;

  // handlers: focus(bool) when the keys come here or leave; canType() says whether a person may type.
  constructor(name, { label, focus, canType }) {
    this.name = name;
    this.canType = canType;
    this.#terminal = new Terminal({
      allowProposedApi: false,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      fontFamily: FONT,
      fontSize: 14,
      lineHeight: 1.12,
      minimumContrastRatio: 4.5,
      scrollback: SCROLLBACK,
      theme: terminalTheme(isDark()),
    });
    this.#terminal.loadAddon(this.#fit);
    guardReplies(this.#terminal, () => this.#first && !this.#replaying && this.canType());
    becomeFirst(name, () => (this.#first = true));
    this.#terminal.onData((data) => this.canType() && this.#send({ type: "input", data }));
    this.#terminal.attachCustomKeyEventHandler((event) => this.#key(event));
    this.focusChanged = focus;
    this.label = label;
    watchTheme((dark) => (this.#terminal.options.theme = terminalTheme(dark)));
  }

  // After the element is in the document.
  open() {
    this.#terminal.open(this.element);
    this.#terminal.textarea.setAttribute("aria-label", this.label);
    this.#terminal.textarea.addEventListener("focus", () => {
      this.#claim();
      this.focusChanged(true);
    });
    this.#terminal.textarea.addEventListener("blur", () => this.focusChanged(false));
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(this.element);
    this.#connect();
  }

  focus() {
    this.#terminal.focus();
  }

  blur() {
    this.#terminal.blur();
  }

  // Chooses the letters so that COLUMNS fit, within what is readable, and tells the server the size.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return; // in a tab that is not shown
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const wanted = (width - 1.6 * rem) / (COLUMNS * LETTER);
    const size = Math.min(rem * 1.15, Math.max(rem * 0.72, wanted));
    this.#letters(size);
    const mine = this.#fit.proposeDimensions();
    if (!mine) return;
    if (this.#theirs) this.#follow(mine, size);
    else if (mine.cols !== this.#terminal.cols || mine.rows !== this.#terminal.rows) this.#terminal.resize(mine.cols, mine.rows);
    this.#tellSize(mine);
  }

  dispose() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#observer?.disconnect();
    this.#terminal.dispose();
    this.element.remove();
  }

  #letters(size) {
    const rounded = Math.round(size * 2) / 2;
    if (this.#terminal.options.fontSize !== rounded) this.#terminal.options.fontSize = rounded;
  }

  // Another window has chosen the size: show the same lines, with smaller letters if they do not fit.
  #follow(mine, size) {
    const { cols, rows } = this.#theirs;
    this.#letters(size * Math.min(1, mine.cols / cols, mine.rows / rows));
    this.#terminal.resize(cols, rows);
  }

  // A person works in this window: its size counts from now on.
  #claim() {
    if (!this.#theirs) return;
    this.#theirs = null;
    this.#mine = "";
    this.fit();
  }

  #tellSize({ cols, rows }) {
    const size = `${cols}x${rows}`;
    if (this.#theirs || document.hidden || size === this.#mine) return;
    if (this.#send({ type: "resize", cols, rows })) this.#mine = size;
  }

  #connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/console/${encodeURIComponent(this.name)}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#replaying = true;
    this.#mine = "";
    let first = true;
    socket.addEventListener("open", () => this.fit());
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") {
        this.#told(JSON.parse(data));
        return;
      }
      if (first) this.#terminal.reset();
      this.#terminal.write(new Uint8Array(data), first ? () => (this.#replaying = false) : undefined);
      first = false;
    });
    socket.addEventListener("close", ({ code }) => {
      if (this.#closed || code === GONE) return;
      this.element.dataset.lost = "";
      this.#timer = setTimeout(() => this.#connect(), RETRY_MS);
    });
    socket.addEventListener("open", () => delete this.element.dataset.lost);
  }

  #told({ type, cols, rows }) {
    if (type !== "size") return;
    const same = cols === this.#terminal.cols && rows === this.#terminal.rows;
    this.#theirs = `${cols}x${rows}` === this.#mine ? null : { cols, rows };
    if (!same) this.fit();
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #escapedMs = -Infinity;

  // Escape is the shell's own key; twice at once gives the keys back to the stage.
  #key(event) {
    if (event.type !== "keydown" || event.key !== "Escape") return true;
    const twice = event.timeStamp - this.#escapedMs < ESCAPES_MS;
    this.#escapedMs = event.timeStamp;
    if (twice) this.blur();
    return !twice;
  }
}
