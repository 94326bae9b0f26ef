// The marks above the timeline: a label for each, in rows, so that none is on another. A label that has little room is
// shortened; its whole text is in its tip, and for those who listen in the list.

import { element, fill, setText } from "./dom.js";

const GAP = 0.5; // between labels, and between a line and the edge, in letters' heights
const LEAST = 5; // a shorter one of a long text says nothing
const NARROWEST = 3.4; // with room for the number of joined ones
const ROW = 1.5;

// Places labels, newest first. A label begins at its line, if a row has room for all of it there. Else it slides to the
// left, over its line, as far as the next older line; at the right edge, and for the oldest one, as far as it needs. What
// still has no room is shortened, and a mark without room joins the next newer one, which counts it.
//
// marks: [{x, wide}] from the oldest to the newest, in pixels; gives [{at, x, row, left, width, joined: [indices]}].
export function place(marks, { left: edge, right, rows, gap, least }) {
  const ends = Array(rows).fill(right); // of each row, where its next label ends at last
  const placed = [];
  for (let at = marks.length - 1; at >= 0; at -= 1) {
    const { x, wide } = marks[at];
    const choices = ends.map((end, row) => {
      const farthest = end === right || at === 0 ? edge : marks[at - 1].x + gap;
      const left = Math.min(x, Math.max(farthest, end - wide));
      return { row, left, width: x > end ? 0 : Math.min(wide, end - left), slides: left < x };
    });
    const most = Math.max(...choices.map(({ width }) => width));
    if (most < Math.min(least, wide) - 0.5) { // half a pixel: sums of fractions are not exact
      placed.at(-1).joined.push(at);
      continue;
    }
    const best = choices.find(({ width, slides }) => width === wide && !slides) ?? choices.find(({ width }) => width === most);
    ends[best.row] = best.left - gap;
    placed.push({ at, x, ...best, joined: [] });
  }
  return placed;
}

// The labels as elements of a list above a chart.
export class Flags {
  #list;
  #measure;
  #widths = new Map();
  #font = "";

  constructor(list, context) {
    this.#list = list;
    this.#measure = context;
  }

  // Shows marks ({text, kind, intended, x}) between left and right; gives {height, tops}: the height that the labels need, and where
  // the line of each mark begins, in pixels.
  show(marks, { left, right, rows, size, font }) {
    const most = Math.min((right - left) * 0.6, size * 26);
    const wide = marks.map((mark) => Math.min(most, Math.max(size * NARROWEST, this.#width(mark, size, font))));
    const placed = place(marks.map(({ x }, at) => ({ x: Math.min(x, right), wide: wide[at] })), { left, right, rows, gap: size * GAP, least: size * LEAST });
    fill(this.#list, placed.length, flag);
    placed.reverse().forEach((one, at) => this.#write(this.#list.children[at], one, marks, size));
    this.#list.hidden = !placed.length;
    const height = Math.max(1, ...placed.map(({ row }) => row + 1)) * size * ROW;
    const tops = marks.map(() => height);
    for (const { at, row } of placed) tops[at] = row * size * ROW + size;
    return { height, tops };
  }

  #write(item, { at, row, left, width, joined }, marks, size) {
    const [text, more, others] = item.children;
    setText(text, words(marks[at]));
    setText(more, joined.length ? `+${joined.length}` : "");
    setText(others, joined.length ? ` and before: ${joined.map((one) => words(marks[one])).join(", ")}` : "");
    const title = [at, ...joined].map((one) => words(marks[one])).join("\n");
    if (item.title !== title) item.title = title;
    item.classList.toggle("intended", isWarning(marks[at]));
    for (const [property, pixels] of [["left", left], ["top", row * size * ROW], ["width", width]]) item.style.setProperty(property, `${pixels.toFixed(1)}px`);
  }

  #width(mark, size, font) {
    const key = `600 ${size}px ${font}`;
    if (key !== this.#font) this.#widths.clear();
    this.#font = key;
    const text = words(mark);
    if (!this.#widths.has(text)) {
      if (this.#widths.size > 200) this.#widths.clear();
      this.#measure.font = key;
      this.#widths.set(text, Math.ceil(this.#measure.measureText(text).width) + size * 1.3);
    }
    return this.#widths.get(text);
  }
}

// Failures after steps and commands are intended, too; that is said where some are counted. Only a fault's label warns.
function isWarning({ kind, intended }) {
  return intended && kind !== "step" && kind !== "command";
}

function words(mark) {
  return isWarning(mark) ? `${mark.text} (intended)` : mark.text;
}

function flag() {
  const item = element("li");
  item.append(element("span", "words"), element("span", "more"), element("span", "unseen"));
  item.children[1].setAttribute("aria-hidden", "true");
  return item;
}
