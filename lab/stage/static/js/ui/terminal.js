// One console: a terminal bound to one of the server's shells. Questions of programs ("where is the cursor?") reach one
// browser only, so that a terminal may answer what it gets.

import { FitAddon } from "../../vendor/addon-fit-0.11.0/lib/addon-fit.mjs";
import { Terminal } from "../../vendor/xterm-6.0.0/lib/xterm.mjs";
import { h } from "../dom.js";
import { isDark, watchTheme } from "../model/settings.js";
import { terminalTheme } from "./terminal-theme.js";

const COLUMNS = 70; // the letters are chosen for as many; kubectl's tables are about that wide
const LETTER = 0.602; // width of a letter, in its height
const [SMALLEST, LARGEST, MARGIN] = [0.72, 1.15, 1.6]; // rem
const LEAST = 5; // pixels: smaller letters are not drawn well
const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const SCROLLBACK = 2_000;
const RETRY_MS = 1_500;
const ESCAPES_MS = 600;
const PART = /.{1,8192}/gsu; // of what is pasted: the server refuses messages above 64 KiB, and JSON may make six bytes of a character

export class ConsoleTerminal {
  element = h("div", { class: "terminal" });
  #terminal;
  #fit = new FitAddon();
  #socket = null;
  #timer = 0;
  #closed = false;
  #size = null; // {cols, rows} of the console, which fits all its browsers
  #told = "";
  #observer;
  #label;
  #focus;
  #escapedMs = -Infinity;

  // focus(bool) is called when the keys come here or leave; canType() says whether a person may type.
  constructor(name, { label, focus, canType }) {
    this.name = name;
    this.#label = label;
    this.#focus = focus;
    this.#terminal = new Terminal({
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
    this.#terminal.onData((data) => canType() && this.#input(data));
    this.#terminal.attachCustomKeyEventHandler((event) => this.#key(event));
    watchTheme((dark) => (this.#terminal.options.theme = terminalTheme(dark)));
  }

  #input(data) {
    for (const part of data.match(PART) ?? []) this.#send({ type: "input", data: part });
  }

  // After the element is in the document.
  open() {
    this.#terminal.open(this.element);
    const { textarea } = this.#terminal;
    textarea.setAttribute("aria-label", this.#label);
    textarea.addEventListener("focus", () => this.#focus(true));
    textarea.addEventListener("blur", () => this.#focus(false));
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(this.element);
    this.#connect();
  }

  // Chooses the letters so that COLUMNS fit, if they are large enough to read, and tells the server what fits here.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return; // in a tab that is not shown
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const wanted = (width - MARGIN * rem) / (COLUMNS * LETTER);
    const size = Math.round(2 * Math.min(LARGEST * rem, Math.max(SMALLEST * rem, wanted))) / 2;
    if (this.#terminal.options.fontSize !== size) this.#terminal.options.fontSize = size;
    const fits = this.#fit.proposeDimensions();
    if (!fits) return;
    if (this.#size) this.#shrink(size, fits);
    else this.#terminal.resize(fits.cols, fits.rows);
    const told = `${fits.cols}x${fits.rows}`;
    if (told !== this.#told && this.#send({ type: "resize", cols: fits.cols, rows: fits.rows })) this.#told = told;
  }

  // A recorded console may be larger than this window: smaller letters show its whole lines, and the last ones of them.
  #shrink(size, fits) {
    const { cols, rows } = this.#size;
    const scale = Math.min(1, fits.cols / cols);
    if (scale < 1) this.#terminal.options.fontSize = Math.max(LEAST, Math.floor(2 * size * scale) / 2);
    this.#terminal.resize(cols, Math.max(1, Math.min(rows, Math.floor(fits.rows / scale))));
  }

  dispose() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#observer?.disconnect();
    this.#terminal.dispose();
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/console/${encodeURIComponent(this.name)}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      delete this.element.dataset.lost;
      this.#told = "";
      this.fit();
    });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") this.#command(JSON.parse(data));
      else this.#terminal.write(new Uint8Array(data));
    });
    socket.addEventListener("close", () => {
      if (this.#closed) return;
      this.element.dataset.lost = "";
      this.#timer = setTimeout(() => this.#connect(), RETRY_MS);
    });
  }

  #command({ type, cols, rows }) {
    if (type !== "size") return;
    this.#size = { cols, rows };
    this.#terminal.resize(cols, rows);
    this.fit();
  }

  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  // Escape is the shell's own key; twice at once gives the keys back to the stage.
  #key(event) {
    if (event.type !== "keydown" || event.key !== "Escape") return true;
    const twice = event.timeStamp - this.#escapedMs < ESCAPES_MS;
    this.#escapedMs = event.timeStamp;
    if (twice) this.#terminal.blur();
    return !twice;
  }
}
