// The topology as SVG: clusters as boxes, and in them who calls, by which name, through which gateway, and who answers.

import { clusters, textOn } from "./colours.js";
import { gatewayWords, percent } from "./scene.js";
import { KINDS } from "./shapes.js";

const SVG = "http://www.w3.org/2000/svg";
const LONGEST = 17;
const SHIFTS = [0, -0.1, 0.1, -0.2, 0.2, -0.3, 0.3]; // of a label along its edge, where another one is in its place
const LOCK = "M7.5 11V8a4.5 4.5 0 0 1 9 0v3M5.5 11h13v9.5h-13Z";

function node(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

// A long name would cover its neighbours; the sentences below have it whole.
const cut = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);
const widthOf = (words, f, icon) => f * 0.9 * (words.length * 0.56 + (icon ? 2 : 0.9)); // of a label
const rounded = (value) => Math.round(value * 10) / 10;

export class Topology {
  #svg;
  #signature = "";
  #parts = {};
  #taken = []; // the places of nodes and labels: no label is on another one

  constructor(svg) {
    this.#svg = svg;
    new ResizeObserver(() => (this.#signature = "")).observe(svg);
  }

  draw(scene, font) {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    if (!width || !height) return;
    const signature = JSON.stringify([scene, width, height, font, clusters.version]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#parts = { boxes: [], edges: [], lost: [], nodes: [], labels: [] };
    this.#taken = [];
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#build(scene, width, height, font);
    this.#svg.replaceChildren(...Object.values(this.#parts).flat());
  }

  #build(scene, width, height, font) {
    const { own, ingress, others, names } = scene;
    const { f, sizes, columns, lower, body, far } = others.length > 1 ? this.#beside(scene, width, height, font) : this.#above(scene, width, height, font);
    const rows = Math.max(1, names.length);
    const below = names.some(({ refused, failed }) => refused || failed) ? f * 1.4 : 0; // for the sign of the last row
    const step = Math.min((body.height - below) / rows, f * 4.5);
    const middle = body.top + body.height / 2;
    const first = middle - (step * (rows - 1)) / 2;
    const frontend = this.#node(columns.frontend, middle, sizes, "frontend", "workload", f);
    if (ingress) this.#path(this.#node(columns.ingress, middle, sizes, "ingress", "gateway", f), frontend, { kind: "plain", width: f * 0.12 }, f);
    const callsOwn = names.some(({ target, edges }) => target === own || edges.some(({ cluster }) => cluster === own));
    if (callsOwn) far.podinfos.set(own, this.#node(columns.podinfo, lower ?? first + step * (rows - 1), sizes, "podinfo", "answers", f, own));

    const shared = new Map(); // the way from a gateway to podinfo is the same for all names
    const pills = names.map((name, row) => {
      const pill = this.#node(columns.names, first + step * row, sizes, cut(name.upstream), "service", f);
      pill.at = (others.length > 1 ? 0.72 : 0.5) - (0.22 * row) / rows; // labels of several names at different places of their edges
      this.#path(frontend, pill, { kind: "plain", width: f * 0.12 }, f);
      return pill;
    });
    names.forEach((name, row) => this.#lost(pills[row], name, own, far, f));
    names.forEach((name, row) => name.edges.forEach((one) => this.#edge(pills[row], one, own, far, shared, f)));
    for (const { from, to, edge } of shared.values()) this.#path(from, to, edge, f);
  }

  #sizes(f) {
    return { node: f * 2.1, words: (words) => Math.max(f * 4.4, words.length * f * 0.56 + f * 1.3) };
  }

  // One other cluster: above the own one, as its console is on the stage. In a wide, low picture the titles stand beside the
  // nodes, else above them.
  #above({ own, ingress, others, names }, width, height, font) {
    const rows = Math.max(1, names.length);
    const flat = width > height * 1.7;
    const title = flat ? 0 : 2.1;
    const tall = names.some(({ refused, failed }) => refused || failed) ? 4.2 : 2.7;
    const needs = { upper: others.length ? title + 3.2 : 0, gap: others.length ? 0.9 : 0, lower: title + rows * tall + 0.9 };
    const sum = needs.upper + needs.gap + needs.lower;
    const f = Math.min(font, height / (sum + 0.4), width / (flat ? (ingress ? 52 : 46) : ingress ? 36 : 30));
    const spare = Math.max(0, height - (0.4 + sum) * f);
    const edge = f * 0.2;
    const [upper, gap] = [needs.upper * f + spare * 0.36, needs.gap * f + spare * 0.08];
    const y = edge + (others.length ? upper + gap : 0);
    const box = { x: edge, y, width: width - 2 * edge, height: height - edge - y };
    const sizes = this.#sizes(f);
    const gutter = flat ? f * 6.5 : 0;
    const at = (share) => box.x + gutter + (box.width - gutter) * share;
    const shares = ingress
      ? { ingress: flat ? 0.06 : 0.12, frontend: 0.27, names: 0.52, gateway: 0.73, podinfo: flat ? 0.91 : 0.88 }
      : { frontend: flat ? 0.1 : 0.14, names: flat ? 0.4 : 0.46, gateway: 0.68, podinfo: flat ? 0.89 : 0.87 };
    const columns = Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, at(share)]));
    this.#box(box, own, f, flat);
    const far = { podinfos: new Map(), gateways: new Map() };
    for (const name of others) {
      this.#box({ x: edge, y: edge, width: box.width, height: upper - edge }, name, f, flat);
      const inside = edge + title * f + (upper - edge - title * f) / 2;
      far.gateways.set(name, this.#node(columns.gateway, inside, sizes, "gateway", "gateway", f));
      far.podinfos.set(name, this.#node(columns.podinfo, inside, sizes, "podinfo", "answers", f, name));
    }
    return { f, sizes, columns, far, body: { top: box.y + title * f, height: box.height - title * f } };
  }

  // Several other clusters: one below the other, on the right; the own podinfo is below their rows, out of the edges' way.
  #beside({ own, ingress, others, names }, width, height, font) {
    const rows = Math.max(others.length * 3, names.length * 2.9);
    const f = Math.min(font, height / (rows + 4), width / (ingress ? 46 : 40));
    const edge = f * 0.2;
    const box = { x: edge, y: edge, width: width * (ingress ? 0.58 : 0.53), height: height - 2 * edge };
    const at = (share) => box.x + box.width * share;
    const shares = ingress ? { ingress: 0.1, frontend: 0.33, names: 0.63, podinfo: 0.87 } : { frontend: 0.15, names: 0.52, podinfo: 0.84 };
    const columns = Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, at(share)]));
    this.#box(box, own, f, false);
    const sizes = this.#sizes(f);
    const strip = f * 3.2;
    const left = box.x + box.width + f * 1.8;
    const row = (height - edge - strip) / others.length;
    const far = { podinfos: new Map(), gateways: new Map() };
    others.forEach((name, number) => {
      const other = { x: left, y: edge + number * row, width: width - edge - left, height: row - f * 0.4 };
      this.#box(other, name, f, true, true); // edges come from the left: the title is on the right
      const y = other.y + other.height / 2;
      far.gateways.set(name, this.#node(left + (other.width - f * 5) * 0.25, y, sizes, "gateway", "gateway", f));
      far.podinfos.set(name, this.#node(left + (other.width - f * 5) * 0.73, y, sizes, "podinfo", "answers", f, name));
    });
    return { f, sizes, columns, far, lower: box.y + box.height - strip / 2, body: { top: box.y + f * 1.6, height: box.height - f * 1.6 - strip } };
  }

  #edge(pill, { cluster, share, set, active, proof }, own, { podinfos, gateways }, shared, f) {
    const target = podinfos.get(cluster);
    if (!target) return;
    const style = { kind: active ? "active" : "idle", colour: clusters.colour(cluster), width: f * (active ? 0.14 + share * 0.45 : 0.1) };
    const direct = cluster === own || (proof && !gatewayWords(proof));
    const hop = direct ? target : gateways.get(cluster);
    const curve = this.#path(pill, hop, style, f);
    if (active || set !== undefined) {
      const measured = percent(share);
      const lock = proof && active ? f * 1.9 : 0;
      const choices = set === undefined ? [measured] : [`${measured} · set ${percent(set)}`, measured];
      const { words, x, y } = this.#spot(curve, pill.at, choices, lock, f);
      const width = this.#label(words, x - lock / 2, y, f, active ? "weight" : "weight idle");
      if (lock) this.#lock(x + width / 2, y, f);
    }
    if (direct) return;
    const before = shared.get(cluster);
    if (!before || style.width > before.edge.width) shared.set(cluster, { from: hop, to: target, edge: style });
  }

  // Where a label of an edge goes, and which of its texts, longest first: none covers a node or another label.
  #spot(curve, wanted, choices, more, f) {
    const [, , wide, high] = this.#svg.getAttribute("viewBox").split(" ").map(Number);
    const half = f * 0.75;
    for (const words of choices) {
      const side = (widthOf(words, f) + more) / 2;
      for (const shift of SHIFTS) {
        const { x, y } = curve(wanted + shift);
        const box = { left: x - side, right: x + side, top: y - half, bottom: y + half };
        if (box.left < 0 || box.right > wide || box.top < 0 || box.bottom > high) continue;
        if (!this.#taken.some((one) => one.left < box.right && box.left < one.right && one.top < box.bottom && box.top < one.bottom)) return { words, x, y };
      }
    }
    return { words: choices.at(-1), ...curve(wanted) };
  }

  // What did not come back: refused requests end at a sign of their own, lost ones at a cross.
  #lost(pill, name, own, { podinfos, gateways }, f) {
    const target = podinfos.get(name.target);
    const hop = name.target === own ? target : gateways.get(name.target);
    const answered = name.edges.some(({ active, cluster }) => active && cluster === name.target);
    const kinds = [[name.refused, "refused", "refused", "refused"], [name.failed, "failed", "connect", "lost"]].filter(([share]) => share);
    kinds.forEach(([share, style, icon, words], at) => {
      const text = `${percent(share)} ${words}`;
      const below = { x: pill.x + (kinds.length > 1 ? (at ? 1 : -1) * f * 3.6 : 0), y: pill.y + pill.height / 2 + f * 0.75 };
      const place = answered || !hop || at ? below : this.#path(pill, hop, { kind: style, width: f * 0.16 }, f)(pill.at);
      this.#label(text, place.x, place.y, f, style, KINDS[icon].path);
    });
  }

  #box({ x, y, width, height }, cluster, f, beside, right = false) {
    const colour = clusters.colour(cluster);
    const letter = clusters.letter(cluster);
    const side = f * 1.35;
    const at = right ? x + width - f * 5.2 : x + f * 0.7;
    const top = beside ? y + height / 2 - side / 2 : y + f * 0.45;
    const group = node("g", { class: "box" });
    group.style.setProperty("--of", colour);
    group.style.setProperty("--on", textOn(colour));
    group.append(
      node("rect", { class: "outline", x, y, width, height, rx: f * 0.7 }),
      node("rect", { class: "swatch", x: at, y: top, width: side, height: side, rx: f * 0.3 }),
      node("text", { class: "letter", x: at + side / 2, y: top + side / 2, "font-size": rounded(f * 0.85) }, letter),
      node("text", { class: "title", x: at + f * 0.6 + side, y: top + side / 2, "font-size": rounded(f * (cluster.length > 8 && beside ? 0.7 : 1.05)) }, cut(cluster)),
    );
    this.#parts.boxes.push(group);
  }

  #node(x, y, sizes, words, kind, f, cluster) {
    const [width, height] = [sizes.words(words), sizes.node];
    const group = node("g", { class: `node ${kind}` });
    if (cluster) {
      const colour = clusters.colour(cluster);
      group.style.setProperty("--of", colour);
      group.style.setProperty("--on", textOn(colour));
    }
    group.append(
      node("rect", { x: rounded(x - width / 2), y: rounded(y - height / 2), width: rounded(width), height: rounded(height), rx: kind === "service" ? height / 2 : f * 0.45 }),
      node("text", { x: rounded(x), y: rounded(y), "font-size": rounded(f * 0.95) }, words),
    );
    this.#parts.nodes.push(group);
    this.#taken.push({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 });
    return { x, y, width, height };
  }

  // A curve between two nodes; returns its points as a function of 0 to 1. It leaves to the right, and ends at the left, or from below
  // where there is no room for that.
  #path(from, to, { kind, colour, width }, f) {
    const start = { x: from.x + from.width / 2, y: from.y };
    const below = to.y + to.height < from.y && to.x - to.width / 2 - start.x < f * 2;
    const end = below ? { x: to.x, y: to.y + to.height / 2 } : { x: to.x - to.width / 2, y: to.y };
    const reach = Math.max(f, Math.abs(end.x - start.x) * 0.5);
    const one = { x: start.x + reach, y: start.y };
    const other = below ? { x: end.x, y: end.y + Math.abs(end.y - start.y) * 0.6 } : { x: end.x - reach, y: end.y };
    const d = `M${rounded(start.x)} ${rounded(start.y)}C${rounded(one.x)} ${rounded(one.y)} ${rounded(other.x)} ${rounded(other.y)} ${rounded(end.x)} ${rounded(end.y)}`;
    const path = node("path", { class: `edge ${kind}`, d });
    path.style.strokeWidth = `${rounded(width)}px`;
    if (colour) path.style.setProperty("--of", colour);
    this.#parts[kind === "refused" || kind === "failed" ? "lost" : "edges"].push(path); // thin ones over thick ones
    const straight = Math.abs(end.y - start.y) < 1;
    const along = (t, a, b, c, e) => (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t ** 3 * e;
    return (t) => ({ x: along(straight ? t + 0.5 - (from.at ?? 0.5) : t, start.x, one.x, other.x, end.x), y: along(t, start.y, one.y, other.y, end.y) });
  }

  #label(words, x, y, f, kind, icon) {
    const size = f * 0.9;
    const width = widthOf(words, f, icon);
    this.#taken.push({ left: x - width / 2, right: x + width / 2, top: y - size * 0.8, bottom: y + size * 0.8 });
    const group = node("g", { class: `label ${kind}` });
    group.append(
      node("rect", { x: rounded(x - width / 2), y: rounded(y - size * 0.8), width: rounded(width), height: rounded(size * 1.6), rx: size * 0.8 }),
      node("text", { x: rounded(x + (icon ? size * 0.6 : 0)), y: rounded(y), "font-size": rounded(size) }, words),
    );
    if (icon) group.append(node("path", { class: "icon", d: icon, transform: `translate(${rounded(x - width / 2 + size * 0.35)} ${rounded(y - size * 0.6)}) scale(${rounded((size * 1.2) / 2.4) / 10})` }));
    this.#parts.labels.push(group);
    return width;
  }

  #lock(x, y, f) {
    this.#taken.push({ left: x - f * 0.85, right: x + f * 0.85, top: y - f * 0.85, bottom: y + f * 0.85 });
    const group = node("g", { class: "lock" });
    group.append(
      node("circle", { cx: rounded(x), cy: rounded(y), r: rounded(f * 0.85) }),
      node("path", { d: LOCK, transform: `translate(${rounded(x - f * 0.55)} ${rounded(y - f * 0.62)}) scale(${rounded((f * 1.1) / 2.4) / 10})` }),
    );
    this.#parts.labels.push(group);
  }
}
