// The failover timeline: who answered each second, what was lost, how fast, the marks, and how long each gap was.

import { clusters, ink } from "./colours.js";
import { Flags } from "./flags.js";
import { inOrder } from "./history.js";
import { Plot, spanOf, ticks } from "./plot.js";

const SHORT_S = 120;
const LONG_S = 300;
const SLOWEST_MS = 5000;
const FASTEST_MS = 1;
const MOST_ROWS = 4; // of labels of marks
const ROWS_PART = 0.3; // of the chart's height that they may have

export class Timeline {
  #plot;
  #history;
  #flags;

  constructor(figure, history) {
    this.#history = history;
    this.#plot = new Plot(figure.querySelector(".plot"), () => this.draw());
    this.#flags = new Flags(figure.querySelector(".flags"), this.#plot.context);
  }

  draw() {
    const plot = this.#plot;
    if (!plot.fit()) return;
    plot.clear();
    const { unit, width, height } = plot;
    const small = unit * 0.74;
    const left = unit * 3.4;
    const right = width - unit * 0.3;
    const span = spanOf(this.#history.slots, right - left > unit * 62 ? LONG_S : SHORT_S);
    const now = Date.now() / 1000;
    const x = (at) => right - ((now - at) / span) * (right - left);
    const marks = this.#marks().map((mark) => ({ ...mark, x: x(mark.at) })).filter((mark) => mark.x >= left);
    const rows = Math.min(MOST_ROWS, Math.max(1, Math.floor((height * ROWS_PART) / (small * 1.5))));
    const { height: lanes, tops } = this.#flags.show(marks, { left, right: width, rows, size: small, font: ink().font });
    const axis = small * 1.8;
    const open = height - lanes - axis;
    const low = open < small * 7; // no room for latencies
    const counts = { top: lanes + small * 0.3, bottom: lanes + (low ? open - small * 1.9 : open * 0.55) };
    const times = { top: counts.bottom + small * 1.9, bottom: height - axis };
    for (const { ago, words } of ticks(span, right - left, unit * 5)) {
      const at = x(now - ago);
      if (at < left) continue;
      plot.line(at, counts.top, at, times.bottom, ink().line);
      plot.text(words, at, height - small * 0.4, { size: small, align: ago === 0 ? "right" : "center" });
    }
    const clip = (act) => {
      plot.context.save();
      plot.context.beginPath();
      plot.context.rect(left, 0, right - left + 1, height);
      plot.context.clip();
      act();
      plot.context.restore();
    };
    clip(() => this.#breaks(now, x, counts.top, times.bottom, small));
    clip(() => this.#shades(now, x, counts));
    this.#counts(now - span, x, left, right, counts, small, clip);
    if (!low) this.#latencies(now - span, x, left, right, times, small, clip);
    clip(() => marks.forEach((mark, at) => plot.line(mark.x, tops[at], mark.x, times.bottom, ink().ink, { width: 1.5, dash: [4, 3] })));
    clip(() => this.#gaps(now, x, counts, times.top, small));
  }

  // The stage shows the commands itself, in its consoles.
  #marks() {
    const { marks } = this.#history;
    return document.body.dataset.view === "stage" ? marks.filter(({ kind }) => kind !== "command") : marks;
  }

  #shown(from) {
    return this.#history.slots.filter((slot) => slot.at >= from - 1);
  }

  #counts(from, x, left, right, { top, bottom }, small, clip) {
    const plot = this.#plot;
    const slots = this.#shown(from);
    const most = Math.max(1, ...slots.map((slot) => slot.sent));
    const y = (count) => bottom - (count / most) * (bottom - top);
    plot.text(`${most}/s`, left - small * 0.5, top, { size: small, align: "right", base: "top" });
    plot.line(left, bottom, right, bottom, ink().line);
    const names = inOrder(this.#history.clusters, this.#history.frontend?.cluster);
    clip(() => {
      for (const slot of slots) {
        const [from_x, to_x] = [x(slot.at), x(slot.at + 1)];
        const width = Math.max(1, to_x - from_x - (to_x - from_x > 5 ? 1 : 0));
        let below = 0;
        for (const name of names) {
          const count = slot.answered_by[name] ?? 0;
          if (!count) continue;
          plot.context.fillStyle = clusters.colour(name);
          plot.context.fillRect(from_x, y(below + count), width, y(below) - y(below + count));
          below += count;
        }
        const failed = slot.lost - slot.refused;
        if (slot.refused) plot.stripes(from_x, y(below + slot.refused), width, y(below) - y(below + slot.refused), ink().refused);
        if (failed) plot.stripes(from_x, y(below + slot.refused + failed), width, y(0) - y(failed), ink().bad);
      }
    });
  }

  // p50 and p99 on a logarithmic axis: 1 ms to 5 s.
  #latencies(from, x, left, right, { top, bottom }, small, clip) {
    const plot = this.#plot;
    const slots = this.#shown(from);
    const log = (ms) => Math.log(Math.min(SLOWEST_MS, Math.max(FASTEST_MS, ms)) / FASTEST_MS) / Math.log(SLOWEST_MS / FASTEST_MS);
    const y = (ms) => bottom - log(ms) * (bottom - top);
    for (const [ms, words] of [[1, "1 ms"], [10, "10 ms"], [100, "100 ms"], [1000, "1 s"]]) {
      plot.line(left, y(ms), right, y(ms), ink().line);
      if (bottom - top > small * 4 || ms === 1000 || (ms === 10 && bottom - top > small * 2)) plot.text(words, left - small * 0.5, y(ms), { size: small, align: "right", base: "middle" });
    }
    const { context } = plot;
    const ends = {};
    for (const [name, colour, thick] of [["p99_ms", ink().soft, 1.5], ["p50_ms", ink().ink, 2.5]]) {
      clip(() => {
        context.strokeStyle = colour;
        context.lineWidth = thick * plot.hair;
        context.lineJoin = "round";
        context.beginPath();
        let previous = null;
        for (const slot of slots) {
          if (slot[name] === null) {
            previous = null;
            continue;
          }
          const [at, height] = [x(slot.at + 0.5), y(slot[name])];
          if (previous !== null && slot.at - previous < 3) context.lineTo(at, height);
          else {
            context.moveTo(at - 2, height);
            context.lineTo(at, height);
          }
          previous = slot.at;
          ends[name] = height;
        }
        context.stroke();
      });
    }
    // The names of the lines at their ends, never one on the other.
    if (ends.p50_ms === undefined) return;
    const p99 = Math.max(top + small * 0.8, Math.min(ends.p99_ms, ends.p50_ms - small * 0.55) - small * 0.35);
    for (const [words, at, colour] of [["p99", p99, ink().soft], ["p50", Math.max(ends.p50_ms + small * 0.95, p99 + small), ink().ink]]) {
      plot.text(words, right, at, { size: small, weight: 600, colour, align: "right", halo: true });
    }
  }

  // A light ground behind each gap.
  #shades(now, x, { top, bottom }) {
    const { context } = this.#plot;
    for (const gap of this.#history.gaps.values()) {
      context.globalAlpha = 0.12;
      context.fillStyle = colourOf(gap);
      context.fillRect(x(gap.at), top, Math.max(2, x(gap.until ?? now) - x(gap.at)), bottom - top);
    }
    context.globalAlpha = 1;
  }

  // A bracket below each gap, with its length and its losses.
  #gaps(now, x, { bottom }, below, small) {
    const plot = this.#plot;
    let end = -Infinity;
    for (const gap of this.#history.gaps.values()) {
      const [from, to] = [x(gap.at), x(gap.until ?? now)];
      const y = bottom + small * 0.35;
      plot.line(from, y, Math.max(from + 2, to), y, colourOf(gap), { width: 3 });
      plot.font(small, 700);
      const over = gap.recovery_s === null ? "not over" : `${gap.recovery_s.toFixed(1)} s`;
      // The shortest text is the length alone, where the next gap is close.
      const texts = [`${over} · ${losses(gap)}${gap.intended ? " · intended" : ""}`, `${over} · ${losses(gap)}`, over];
      for (const words of texts) {
        const half = plot.context.measureText(words).width / 2;
        const middle = Math.min((from + to) / 2, plot.width - half - small * 0.5);
        if (middle - half < end && words !== over) continue;
        if (middle - half >= end) plot.text(words, middle, below - small * 0.35, { size: small, weight: 700, colour: colourOf(gap), align: "center", halo: true });
        end = Math.max(end, middle + half + small * 0.6);
        break;
      }
    }
  }

  // Times in which this page was not connected: nothing is known of them.
  #breaks(now, x, top, bottom, small) {
    const plot = this.#plot;
    for (const { from, to, words } of this.#history.breaks) {
      const [left, right] = [x(from), x(to ?? now)];
      plot.context.fillStyle = ink().track;
      plot.context.fillRect(left, top, right - left, bottom - top);
      plot.font(small);
      if (right - left > plot.context.measureText(words).width + small) plot.text(words, (left + right) / 2, (top + bottom) / 2, { size: small, align: "center", base: "middle" });
    }
  }
}

function colourOf(gap) {
  return gap.refused * 2 > gap.lost ? ink().refused : ink().bad;
}

function losses({ lost, refused }) {
  return [refused && `${refused} refused`, lost - refused && `${lost - refused} lost`].filter(Boolean).join(", ");
}

// The latest gap and the phase of the moment, in one sentence.
export function describe(history) {
  const gaps = [...history.gaps.values()];
  if (!history.total) return "No request yet.";
  const sums = `${history.total} requests, ${history.lost} without an answer`;
  if (!gaps.length) return `${sums}. No gap.`;
  const gap = gaps.at(-1);
  const meant = gap.intended ? `, as intended (${gap.phase})` : "";
  const over = gap.recovery_s === null ? "it is not over" : `recovered after ${gap.recovery_s.toFixed(1)} s`;
  const more = gaps.length > 1 ? `${gaps.length} gaps. The latest:` : "One gap:";
  return `${sums}. ${more} ${losses(gap)}${meant}, ${over}.`;
}
