// A canvas that fits its box, sharp on any screen, and what charts on a time axis share.

import { ink, textOn } from "./colours.js";

const MOST_PIXELS = 2; // device pixels per CSS pixel: more cost time and show nothing
export const FAILED = Symbol("failed");

export class Plot {
  width = 0;
  height = 0;
  #ratio = 0;

  constructor(box, resized) {
    this.box = box;
    this.canvas = box.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    new ResizeObserver(() => resized()).observe(box);
  }

  // Fits the canvas to its box; false if it is not shown.
  fit() {
    const { clientWidth, clientHeight } = this.box;
    const ratio = Math.min(devicePixelRatio || 1, MOST_PIXELS);
    if (!clientWidth || !clientHeight) return false;
    if (clientWidth !== this.width || clientHeight !== this.height || ratio !== this.#ratio) {
      [this.width, this.height, this.#ratio] = [clientWidth, clientHeight, ratio];
      this.canvas.width = Math.round(clientWidth * ratio);
      this.canvas.height = Math.round(clientHeight * ratio);
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.unit = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.hair = Math.max(1, this.unit / 16);
    return true;
  }

  clear() {
    this.context.clearRect(0, 0, this.width, this.height);
  }

  // The page's unit in pixels, and what a hairline is on a screen of this size.
  unit = 16;
  hair = 1;

  font(size, weight = 400) {
    this.context.font = `${weight} ${size}px ${ink().font}`;
  }

  text(words, x, y, { size, weight = 400, colour = ink().soft, align = "left", base = "alphabetic", halo = false }) {
    const { context } = this;
    this.font(size, weight);
    context.textAlign = align;
    context.textBaseline = base;
    if (halo) {
      context.strokeStyle = ink().card;
      context.lineWidth = size / 3;
      context.lineJoin = "round";
      context.strokeText(words, x, y);
    }
    context.fillStyle = colour;
    context.fillText(words, x, y);
  }

  // Red stripes: what is lost differs from every cluster in pattern as well. Refused: grey ones.
  stripes(x, y, width, height, colour) {
    const { context } = this;
    if (height <= 0 || width <= 0) return;
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.fillStyle = ink().card;
    context.fillRect(x, y, width, height);
    context.strokeStyle = colour;
    context.lineWidth = 1.8 * this.hair;
    context.beginPath();
    const step = 5 * this.hair;
    for (let at = x - height - (x % step); at < x + width + height; at += step) {
      context.moveTo(at, y + height);
      context.lineTo(at + height, y);
    }
    context.stroke();
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    context.restore();
  }

  line(x1, y1, x2, y2, colour, { width = 1, dash = [] } = {}) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width * this.hair;
    context.setLineDash(dash.map((part) => part * this.hair));
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
    context.setLineDash([]);
  }
}

const SPANS_S = [30, 45, 60, 90, 120, 180, 240, 300];

// Seconds that a time axis shows: as much as there is, in steps, so that bars are large at first and never crawl.
export function spanOf(slots, most) {
  const age = slots.length ? Date.now() / 1000 - slots[0].at : 0;
  return SPANS_S.find((span) => span >= Math.min(age, most)) ?? most;
}

const STEPS_S = [5, 10, 15, 30, 60, 120, 300];

// Ticks of a time axis that ends now: [{seconds ago, words}], with at least `apart` pixels between them.
export function ticks(span, pixels, apart) {
  const step = STEPS_S.find((one) => (one / span) * pixels >= apart) ?? STEPS_S.at(-1);
  const found = [];
  for (let ago = 0; ago <= span; ago += step) found.push({ ago, words: ago === 0 ? "now" : span <= 120 ? `−${ago} s` : `−${Math.floor(ago / 60)}:${String(ago % 60).padStart(2, "0")}` });
  return found;
}

export { textOn };
