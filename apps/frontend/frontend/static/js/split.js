// The split over time: measured shares as stacked bars, configured weights as lines, with the scatter to expect.

import { clusters, ink, textOn } from "./colours.js";
import { SAMPLE, inOrder } from "./history.js";
import { Plot, spanOf, ticks } from "./plot.js";
import { FEWEST, Fit, expected, fit, margin } from "./scatter.js";

const SHORT_S = 120;
const LONG_S = 300;
const LARGE_BAR = 20; // requests that a bar should have
const MOST_BARS = 30;
const WIDTHS_S = [1, 2, 3, 5, 10, 15, 30];
export const SETTLES_S = 2; // until new weights have reached every proxy

export class SplitChart {
  #plot;
  #history;

  constructor(figure, history) {
    this.#history = history;
    this.#plot = new Plot(figure.querySelector(".plot"), () => this.draw());
  }

  draw() {
    const plot = this.#plot;
    if (!plot.fit()) return;
    plot.clear();
    const { unit, width, height } = plot;
    const small = unit * 0.72;
    const area = { left: unit * 2.4, right: width - unit * 0.2, top: unit * 0.5, bottom: height - small * 1.9 };
    const span = spanOf(this.#history.slots, area.right - area.left > unit * 60 ? LONG_S : SHORT_S);
    const now = Date.now() / 1000;
    const x = (at) => area.right - ((now - at) / span) * (area.right - area.left);
    const y = (share) => area.bottom - share * (area.bottom - area.top);
    for (const share of [0, 0.5, 1]) {
      plot.line(area.left, y(share), area.right, y(share), ink().line);
      plot.text(`${share * 100} %`, area.left - unit * 0.35, y(share), { size: small, align: "right", base: "middle" });
    }
    for (const { ago, words } of ticks(span, area.right - area.left, unit * 5)) {
      plot.text(words, x(now - ago), height - small * 0.4, { size: small, align: ago === 0 ? "right" : "center" });
    }
    const names = inOrder(this.#history.clusters, this.#history.frontend?.cluster);
    const bar = WIDTHS_S.find((one) => one * this.#history.rate >= LARGE_BAR && span / one <= MOST_BARS) ?? WIDTHS_S.at(-1);
    plot.context.save();
    plot.context.beginPath();
    plot.context.rect(area.left, 0, area.right - area.left, height);
    plot.context.clip();
    this.#bars(names, bar, now - span, x, y);
    this.#lines(names, bar, now, x, y, area.left);
    plot.context.restore();
  }

  #bars(names, bar, from, x, y) {
    const { context } = this.#plot;
    for (const { at, to, by, answered, lost, refused } of buckets(this.#history.slots, bar, from)) {
      const [left, right] = [x(at), x(to)];
      const width = Math.max(1, right - left - Math.min(2, (right - left) * 0.15));
      if (!answered) {
        if (lost) this.#plot.stripes(left, y(1), width, y(0) - y(1), refused * 2 > lost ? ink().refused : ink().bad);
        continue;
      }
      let below = 0;
      for (const name of names) {
        const share = (by.get(name) ?? 0) / answered;
        context.fillStyle = clusters.colour(name);
        context.fillRect(left, y(below + share), width, y(below) - y(below + share));
        below += share;
      }
    }
  }

  // Lines between the clusters' parts, where the weights say that they should be.
  #lines(names, bar, now, x, y, edge) {
    const { context } = this.#plot;
    const size = Math.round(bar * this.#history.rate);
    const changes = this.#history.weights;
    const slot = this.#history.slots.at(-1);
    const last = slot ? slot.at + 1 : now; // no line where nothing was measured
    const labels = [];
    const size_px = this.#plot.unit * 0.78;
    changes.forEach((configured, at) => {
      if (configured.state !== "split") return;
      const [left, right] = [x(configured.at), x(Math.min(changes[at + 1]?.at ?? now, last))];
      if (right <= left) return;
      let below = 0;
      const shares = sharesOf(configured);
      for (const name of inOrder(new Set([...names, ...shares.keys()]), this.#history.frontend?.cluster).slice(0, -1)) {
        below += shares.get(name) ?? 0;
        const { low, high } = expected(below, size);
        context.fillStyle = `rgb(255 255 255 / ${ink().dark ? 16 : 26}%)`;
        context.fillRect(left, y(high), right - left, y(low) - y(high));
        for (const at of [high, low]) this.#plot.line(left, y(at), right, y(at), "rgb(255 255 255 / 90%)", { width: 1.2, dash: [5, 4] });
        this.#plot.line(left, y(below), right, y(below), "#ffffff", { width: 5 });
        this.#plot.line(left, y(below), right, y(below), "#111111", { width: 2.5 });
      }
      labels.push({ words: `set ${ratioOf(shares, this.#history.frontend?.cluster)}`, at: Math.max(left, edge) + size_px * 0.4, height: y(below) - size_px * 0.55 });
    });
    // The newest one always; an older one only where no newer one begins.
    let end = Infinity;
    for (const { words, at, height } of labels.reverse()) {
      this.#plot.font(size_px, 700);
      if (at + this.#plot.context.measureText(words).width > end) continue;
      this.#plot.text(words, at, height, { size: size_px, weight: 700, colour: ink().ink, halo: true });
      end = at - size_px * 0.4;
    }
  }
}

// Configured shares by cluster; backends whose cluster is not known are left out.
export function sharesOf(configured) {
  const shares = new Map();
  for (const { cluster, share } of configured?.weights ?? []) {
    if (cluster) shares.set(cluster, (shares.get(cluster) ?? 0) + share);
  }
  return shares;
}

// As the talk says it: the own cluster's weight first.
function ratioOf(shares, own) {
  return inOrder(shares.keys(), own).map((name) => Math.round(100 * shares.get(name))).join(":");
}

// Slots joined to bars of `width` seconds, at the same times whenever they are drawn.
export function buckets(slots, width, from) {
  const found = new Map();
  for (const slot of slots) {
    if (slot.at < from - width) continue;
    const at = Math.floor(slot.at / width) * width;
    const bucket = found.get(at) ?? { at, to: at + width, by: new Map(), answered: 0, lost: 0, refused: 0 };
    for (const [name, count] of Object.entries(slot.answered_by)) {
      bucket.by.set(name, (bucket.by.get(name) ?? 0) + count);
      bucket.answered += count;
    }
    bucket.lost += slot.lost;
    bucket.refused += slot.refused;
    found.set(at, bucket);
  }
  return found.values();
}

const percent = (share) => `${Math.round(100 * share)} %`;

// What the numbers say, in one sentence, and for each cluster what is measured, configured and to be expected.
export function judge(history) {
  const configured = history.configured;
  const since = configured && history.weights.length > 1 ? configured.at + SETTLES_S : 0;
  const sample = history.sample(SAMPLE, since);
  const own = history.frontend?.cluster;
  const rows = inOrder(sample.by.keys(), own).reverse().map((name) => [name, sample.by.get(name)]).map(([name, count]) => ({ name, count, measured: sample.answered ? count / sample.answered : 0 }));
  if (!configured) return { words: "The configured weights are not read yet.", rows };
  if (configured.state === "unknown") return { words: `The configured weights are unknown: ${configured.problem?.what}.`, rows, problem: configured.problem };
  if (configured.state === "none") return { words: "No weights are configured: the mesh decides who answers.", rows };
  if (configured.state === "failover") {
    const { primary, backup } = configured.failover;
    return { words: `A failover is configured: ${primary} answers, and ${backup} when ${primary} does not.`, rows };
  }
  const shares = sharesOf(configured);
  const judged = inOrder(new Set([...shares.keys(), ...sample.by.keys()]), own).reverse().map((name) => {
    const share = shares.get(name) ?? 0;
    const measured = sample.answered ? (sample.by.get(name) ?? 0) / sample.answered : 0;
    return { name, count: sample.by.get(name) ?? 0, measured, share, ...expected(share, sample.answered), fit: fit(measured, share, sample.answered) };
  });
  const ratio = ratioOf(shares, own);
  const points = Math.round(100 * Math.max(...judged.map(({ share }) => margin(share, sample.answered))));
  if (sample.answered < FEWEST) return { words: `Weights ${ratio}. Too few answers yet to judge the shares.`, rows: judged, ratio };
  const worst = [Fit.BAD, Fit.RARE, Fit.GOOD].find((one) => judged.some((row) => row.fit === one));
  const says = { [Fit.GOOD]: "fit", [Fit.RARE]: "are at the edge of", [Fit.BAD]: "do not fit" }[worst];
  return { words: `The last ${sample.answered} answers ${says} the weights ${ratio}: chance alone gives ±${points} points.`, rows: judged, ratio, fit: worst };
}

export { percent, textOn };
