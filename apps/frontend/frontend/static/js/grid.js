// The grid: each square is one real request. Columns fill one after the other, as on a heart monitor, and each column is
// sorted by cluster: so its squares are also a bar, and 50:50 or 90:10 is seen before a number is read.

import { clusters, ink, textOn } from "./colours.js";
import { clusterOf, inOrder } from "./history.js";
import { Plot } from "./plot.js";
import { FROM_A_PHONE, KINDS, drawShape, drawTap, kindOf } from "./shapes.js";

const FEW_ROWS = 10; // a row is 10 % of a column
const MANY_ROWS = 20;
const FAST = 20; // requests per second from which columns have more rows
const FADED = 0.3; // opacity of the oldest column
const GAP = 0.1;
const LETTER_FROM = 13; // pixels

export class Grid {
  #plot;
  #history;
  #cells = 0;
  #layout = null;

  constructor(figure, history) {
    this.#history = history;
    this.figure = figure;
    this.tip = figure.querySelector(".tip");
    this.#plot = new Plot(figure.querySelector(".plot"), () => this.draw());
    const { canvas } = this.#plot;
    canvas.addEventListener("pointermove", (event) => this.#point(event));
    canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  draw() {
    const plot = this.#plot;
    if (!plot.fit()) return;
    plot.clear();
    const history = this.#history;
    const rows = history.rate > FAST ? MANY_ROWS : FEW_ROWS;
    const axis = Math.round(plot.unit * 0.8);
    const cell = Math.floor(Math.min((plot.height - axis) / rows, plot.width / 6));
    if (cell < 2) return;
    const columns = Math.max(2, Math.floor(plot.width / cell));
    const left = Math.round((plot.width - columns * cell) / 2);
    const top = Math.max(0, Math.round(plot.height - axis - rows * cell));
    const current = Math.max(0, Math.ceil(history.shown / rows) - 1);
    const own = history.frontend?.cluster;
    const order = new Map(inOrder(history.clusters, own).map((name, at) => [name, at]));
    this.#layout = { rows, columns, cell, left, top, current, order };

    for (let column = Math.max(0, current - columns + 2); column <= current; column += 1) {
      const age = (current - column) / columns;
      plot.context.globalAlpha = 1 - (1 - FADED) * age;
      const x = left + (column % columns) * cell;
      this.#column(column).forEach((answer, at) => this.#square(answer, x, top + (rows - 1 - at) * cell, cell));
    }
    plot.context.globalAlpha = 1;
    this.#empty(current + 1, left, top, cell, rows, columns);
    this.#marker(left + (current % columns) * cell + cell / 2, top + rows * cell, axis);
  }

  // The answers of a column, from the bottom to the top: clusters in their order, then refused, then failed ones.
  #column(column) {
    const { rows, order } = this.#layout;
    const answers = Array.from({ length: rows }, (_, at) => this.#history.square(column * rows + at)).filter(Boolean);
    const rank = (answer) => (answer.error ? (answer.error.refused ? 1000 : 1001) : order.get(clusterOf(answer)) ?? 999);
    return answers.sort((a, b) => rank(a) - rank(b)); // else as they came
  }

  #square(answer, x, y, cell) {
    this.#request(answer, x, y, cell);
    if (answer.tap) drawTap(this.#plot.context, x + cell * 0.8, y + cell * 0.2, cell);
  }

  #request(answer, x, y, cell) {
    const { context } = this.#plot;
    const gap = Math.max(1, Math.round(cell * GAP));
    const size = cell - gap;
    const kind = kindOf(answer);
    context.beginPath();
    context.roundRect(x + gap / 2, y + gap / 2, size, size, size * 0.18);
    if (kind) {
      const colour = kind === "refused" ? ink().refused : ink().bad;
      const edge = Math.max(1, Math.round(cell / 14));
      context.strokeStyle = colour;
      context.lineWidth = edge;
      context.fillStyle = ink().card;
      context.fill();
      context.stroke();
      drawShape(context, kind, x + gap / 2 + size * 0.08, y + gap / 2 + size * 0.08, size * 0.84, colour);
      return;
    }
    const colour = clusters.colour(clusterOf(answer), answer.color);
    context.fillStyle = colour;
    context.fill();
    if (cell >= LETTER_FROM) {
      const letter = clusters.letter(clusterOf(answer));
      this.#plot.text(letter, x + cell / 2, y + cell / 2 + cell * 0.03, { size: cell * (letter.length > 1 ? 0.4 : 0.52), weight: 700, colour: textOn(colour), align: "center", base: "middle" });
    }
  }

  // The column that the next answers take stands empty, so that the newest one is found at a glance.
  #empty(next, left, top, cell, rows, columns) {
    const { context } = this.#plot;
    context.fillStyle = ink().track;
    const gap = Math.max(1, Math.round(cell * GAP));
    const filled = Math.min(this.#history.shown, rows * columns);
    for (let column = 0; column < columns; column += 1) {
      const isNext = column === next % columns;
      const unused = filled < rows * columns && column > (next - 1) % columns && next <= columns;
      if (!isNext && !unused && this.#history.shown) continue;
      for (let row = 0; row < rows; row += 1) {
        const size = cell - gap;
        const dot = isNext && this.#history.shown ? 0 : size * 0.28;
        if (!dot) continue;
        context.beginPath();
        context.roundRect(left + column * cell + (cell - dot) / 2, top + row * cell + (cell - dot) / 2, dot, dot, dot * 0.3);
        context.fill();
      }
    }
  }

  #marker(x, y, height) {
    if (!this.#history.shown) return;
    const { context } = this.#plot;
    const half = height * 0.4;
    context.fillStyle = ink().ink;
    context.beginPath();
    context.moveTo(x, y + height * 0.2);
    context.lineTo(x + half, y + height * 0.9);
    context.lineTo(x - half, y + height * 0.9);
    context.fill();
  }

  // The request below the pointer.
  #point({ offsetX, offsetY }) {
    const answer = this.#layout && this.#at(offsetX, offsetY);
    this.tip.hidden = !answer;
    if (!answer) return;
    const kind = kindOf(answer);
    const by = kind ? `${KINDS[kind].words}: ${answer.error.detail}` : `${clusterOf(answer)} · ${answer.pod}`;
    this.tip.textContent = `${answer.tap ? FROM_A_PHONE : `#${answer.n}`} at ${answer.sent_at.slice(11, 23)} · ${by} · ${answer.latency_ms} ms`;
    this.tip.style.setProperty("--x", `${Math.min(offsetX, this.#plot.width - this.tip.offsetWidth)}px`);
    this.tip.style.setProperty("--y", `${offsetY}px`);
  }

  #at(x, y) {
    const { rows, columns, cell, left, top, current } = this.#layout;
    const place = Math.floor((x - left) / cell);
    const row = rows - 1 - Math.floor((y - top) / cell);
    if (place < 0 || place >= columns || row < 0 || row >= rows) return null;
    const column = current - ((((current % columns) - place) % columns) + columns) % columns;
    return column < 0 || column < current - columns + 2 ? null : this.#column(column)[row];
  }
}
