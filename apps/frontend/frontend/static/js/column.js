// One upstream's column: the shares in large, the grid, the split and the timeline, and the same as text.

import { clusters, textOn } from "./colours.js";
import { byId, element, fill, setText, time } from "./dom.js";
import { Grid } from "./grid.js";
import { clusterOf, inOrder } from "./history.js";
import { percent, percents } from "./scene.js";
import { FROM_A_PHONE, KINDS, kindOf, shapeIcon, tapIcon } from "./shapes.js";
import { SplitChart, judge } from "./split.js";
import { Timeline, describe } from "./timeline.js";

const PHASES = 6;
const SQUARES = 400; // of the grid, that its legend counts
const TAP = "tap";
const NO_ANSWER = "no answer";
const INTENDED = "lost as intended";

export class Column {
  #drawn = { total: -1, version: -1 };

  constructor(history) {
    this.history = history;
    this.element = byId("column").content.cloneNode(true).firstElementChild;
    const find = (selector) => this.element.querySelector(selector);
    this.parts = {
      name: find(".name"), sentence: find(".sentence"), shares: find(".shares"),
      legend: find(".grid .legend"), alternative: find(".grid .alternative"),
      verdict: find(".split .verdict"), gauges: find(".gauges"),
      timeline: find(".timeline .verdict"), phases: find(".timeline tbody"), scroll: find(".scroll"),
    };
    this.element.setAttribute("aria-label", `Calls to ${history.upstream}`);
    setText(this.parts.name, history.upstream);
    this.parts.scroll.setAttribute("aria-label", `Phases of ${history.upstream}`);
    this.grid = new Grid(find(".grid"), history);
    this.split = new SplitChart(find(".split"), history);
    this.timeline = new Timeline(find(".timeline"), history);
    for (const [figure, words] of [[".grid", "Grid of requests"], [".split", "Split over time"], [".timeline", "Timeline"]]) {
      find(figure).setAttribute("aria-label", `${words}: ${history.upstream}`);
      find(`${figure} canvas`).setAttribute("aria-hidden", "true");
    }
  }

  // Called often; draws only what has changed.
  drawGrid() {
    if (this.#drawn.total === this.history.shown && this.#drawn.version === clusters.version) return;
    this.#drawn = { total: this.history.shown, version: clusters.version };
    this.grid.draw();
  }

  drawCharts() {
    this.split.draw();
    this.timeline.draw();
  }

  redraw() {
    this.#drawn.total = -1;
    this.drawGrid();
    this.drawCharts();
  }

  // The numbers and sentences, some times per second.
  write() {
    const { history, parts } = this;
    const sample = history.sample();
    const names = inOrder(sample.by.keys(), history.frontend?.cluster).reverse();
    const rows = names.map((name) => ({ name, count: sample.by.get(name) }));
    if (sample.refused) rows.push({ kind: "refused", name: "refused", count: sample.refused });
    if (sample.lost > sample.refused) rows.push({ kind: "failed", name: history.intention ? INTENDED : NO_ANSWER, count: sample.lost - sample.refused });
    fill(parts.shares, rows.length, shareRow);
    const words = percents(rows.map(({ count }) => count));
    rows.forEach((row, at) => writeShare(parts.shares.children[at], row, words[at]));
    setText(parts.sentence, this.#sentence(sample));
    this.#legend();
    this.#split();
    this.#timeline();
  }

  #sentence(sample) {
    const { history } = this;
    if (!history.total) return "waiting for the first answer";
    const last = history.nth(history.total - 1);
    const intention = history.intention;
    const meant = intention && sample.lost ? ` · intended: ${intention.text}` : "";
    const counted = `last ${sample.size} of ${history.total}${meant}`;
    if (last.error) return `${counted} · latest: ${last.error.detail}`;
    const latest = [last.pod, last.version, time(last.latency_ms)].filter(Boolean).join(" · ");
    return document.body.dataset.view === "stage" ? counted : `${counted} · latest: ${latest}`; // no room for a pod's name there
  }

  #legend() {
    const counts = new Map();
    const tapped = new Map();
    const add = (sums, name) => sums.set(name, (sums.get(name) ?? 0) + 1);
    for (const answer of this.history.lastSquares(SQUARES)) {
      const kind = kindOf(answer);
      if (kind) add(counts, kind);
      if (answer.tap) add(counts, TAP);
      if (answer.tap) add(tapped, kind ? NO_ANSWER : clusterOf(answer));
    }
    const { legend, alternative } = this.parts;
    const kinds = [...Object.keys(KINDS), TAP].filter((kind) => counts.has(kind));
    if (legend.dataset.kinds !== kinds.join()) {
      legend.dataset.kinds = kinds.join();
      legend.replaceChildren(...kinds.map((kind) => {
        const item = element("li");
        item.append(kind === TAP ? tapIcon() : shapeIcon(kind), element("span", "", KINDS[kind]?.words ?? FROM_A_PHONE), element("b"));
        return item;
      }));
    }
    kinds.forEach((kind, at) => setText(legend.children[at].lastElementChild, String(counts.get(kind))));
    const sample = this.history.sample();
    const by = [...sample.by].map(([name, count]) => `${name} ${count}`);
    if (sample.lost) by.push(`${NO_ANSWER} ${sample.lost}`);
    const phones = tapped.size ? ` From phones, beside them: ${[...tapped].sort().map(([name, count]) => `${name} ${count}`).join(", ")}.` : "";
    setText(alternative, sample.size || phones ? `The last ${sample.size} requests: ${by.join(", ")}.${phones}` : "No request yet.");
  }

  #split() {
    const { verdict, gauges } = this.parts;
    const { words, rows, fit } = judge(this.history);
    setText(verdict, words);
    verdict.dataset.fit = fit ?? "";
    fill(gauges, rows.length, gaugeRow);
    rows.forEach((row, at) => writeGauge(gauges.children[at], row));
  }

  #timeline() {
    const { timeline, phases } = this.parts;
    setText(timeline, describe(this.history));
    const shown = [...this.history.phases.values()].slice(-PHASES).reverse();
    fill(phases, shown.length, phaseRow);
    shown.forEach((phase, at) => this.#phase(phases.children[at], phase, at === 0));
  }

  #phase(row, phase, isCurrent) {
    const by = Object.entries(phase.answered_by).map(([name, count]) => `${name} ${count}`).join(", ") || "nobody";
    const refused = phase.refused ? ` (${phase.refused} refused)` : "";
    const recovered = phase.rto_s === null ? (isCurrent ? "not yet" : "no") : phase.lost ? `${phase.rto_s.toFixed(1)} s` : "–";
    const told = phase.retried !== null && this.history.tellsAttempts; // a recording of an older frontend has 0 for both
    const retried = told ? String(phase.retried) : "not told";
    const words = [phase.intended ? `${phase.name} (intended)` : phase.name, String(phase.sent), by, `${phase.lost}${refused}`, retried, recovered, time(phase.p50_ms), time(phase.p99_ms)];
    words.forEach((text, at) => setText(row.children[at], text));
    row.children[0].title = words[0];
    row.children[3].classList.toggle("bad", phase.lost > phase.refused);
    row.children[4].title = told ? "" : "This mesh’s answers do not tell how often a request was sent.";
  }
}

function shareRow() {
  const row = element("li");
  row.append(element("span", "badge"), element("span", "who"), element("b", "percent"), element("small"));
  return row;
}

function writeShare(row, { name, kind, count }, words) {
  const [badge, who, value, small] = row.children;
  row.className = kind ?? "";
  if (kind) {
    if (badge.dataset.kind !== kind) badge.replaceChildren(shapeIcon(kind === "refused" ? "refused" : "connect"));
    badge.dataset.kind = kind;
  } else {
    delete badge.dataset.kind;
    setText(badge, clusters.letter(name));
    const colour = clusters.colour(name);
    row.style.setProperty("--of", colour);
    row.style.setProperty("--on", textOn(colour));
  }
  setText(who, name);
  setText(value, words);
  setText(small, String(count));
}

function gaugeRow() {
  const row = element("li");
  const track = element("span", "track");
  track.append(element("span", "bar"), element("span", "expected"), element("span", "set"));
  row.append(element("span", "badge"), track, element("span", "words"));
  track.setAttribute("aria-hidden", "true");
  return row;
}

function writeGauge(row, { name, measured, share, low, high }) {
  const [badge, track, words] = row.children;
  const colour = clusters.colour(name);
  row.style.setProperty("--of", colour);
  row.style.setProperty("--on", textOn(colour));
  setText(badge, clusters.letter(name));
  track.classList.toggle("free", share === undefined);
  track.style.setProperty("--measured", String(measured));
  if (share !== undefined) {
    for (const [property, value] of [["--share", share], ["--low", low], ["--high", high]]) track.style.setProperty(property, String(value));
  }
  const wanted = share === undefined ? "" : ` · weight ${percent(share)} · expected ${Math.round(low * 100)} to ${Math.round(high * 100)} %`;
  setText(words, `${name} ${percent(measured)}${wanted}`);
}

function phaseRow() {
  const row = element("tr");
  for (let at = 0; at < 8; at += 1) row.append(element("td", at === 0 || at === 2 ? "" : "number"));
  return row;
}
