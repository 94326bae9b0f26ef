// The consoles: two places, East's on top and West's below. Further clusters share a place, with tabs.

import { paint } from "../colours.js";
import { attr, h, list, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { titleOfCluster } from "../model/select.js";
import { remember, remembered } from "../model/settings.js";
import { panel } from "./panel.js";
import { ConsoleTerminal } from "./terminal.js";

const PANELS = "panels";

// Returns {togglePanels}.
export function consoles(root, app) {
  const { store } = app;
  const places = [0, 1].map(() => {
    const place = { tabs: h("div", { class: "tabs", role: "tablist", hidden: true }), element: h("div", { class: "place" }), shown: "", boxes: new Map() };
    place.element.append(place.tabs);
    root.append(place.element);
    return place;
  });
  let typing = "";
  store.watch(({ state, typing: last }) => {
    if (!state) return;
    const clusters = inOrder(state.clusters);
    const typedInto = last === typing ? "" : state.consoles.find(({ name }) => name === last)?.cluster;
    typing = last;
    places.forEach((place, number) => {
      const own = clusters.filter((_, at) => at % 2 === number);
      for (const cluster of own) if (!place.boxes.has(cluster.name)) place.boxes.set(cluster.name, box(place, cluster, app));
      if (own.some(({ name }) => name === typedInto)) place.shown = typedInto; // a step types there: show it
      if (!own.some(({ name }) => name === place.shown)) place.shown = own[0]?.name ?? "";
      showTabs(place, own, () => store.changed());
      for (const { name } of own) show(place.boxes.get(name), name === place.shown);
      show(place.element, own.length > 0);
    });
  });
  const togglePanels = () => {
    remember(PANELS, !remembered(PANELS, true));
    store.changed();
  };
  return { togglePanels };
}

// East first, West second, then the others as the lab names them.
function inOrder(clusters) {
  const rank = ({ role }) => ({ east: 0, west: 1 })[role] ?? 2;
  return [...clusters].sort((one, other) => rank(one) - rank(other));
}

function showTabs(place, own, changed) {
  show(place.tabs, own.length > 1);
  list(place.tabs, own, {
    key: ({ name }) => name,
    make: ({ name }) => {
      const choose = () => {
        place.shown = name;
        changed();
      };
      const tab = h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `console-${name}`, onclick: choose });
      tab.addEventListener("keydown", (event) => moveTab(event, place.tabs));
      return tab;
    },
    update: (tab, cluster) => {
      const chosen = cluster.name === place.shown;
      text(tab, titleOfCluster(cluster));
      paint(tab, cluster.color);
      attr(tab, "aria-selected", chosen ? "true" : "false");
      attr(tab, "tabindex", chosen ? "0" : "-1");
    },
  });
}

function moveTab(event, tabs) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...tabs.children];
  const target = all[(all.indexOf(event.target) + step + all.length) % all.length];
  target.click();
  target.focus();
}

// The box of one cluster: title, terminals, live panel.
function box(place, { name, color }, app) {
  const { store } = app;
  const title = h("h2", { id: `console-title-${name}` });
  const standsFor = h("span", { class: "stands" });
  const state = h("span", { class: "state" });
  const back = h("button", { type: "button", class: "back", hidden: true, onclick: () => document.activeElement?.blur() }, icon("keyboard"), "Keys go here. Esc Esc: back to the stage");
  const objects = h("button", { type: "button", class: "quiet objects", "aria-controls": `panel-${name}` }, icon("objects"), h("span", {}, "Objects"));
  const header = h("header", {}, title, standsFor, state, back, objects);
  const terminals = h("div", { class: "terminals" });
  const aside = h("aside", { id: `panel-${name}`, class: "panel", tabindex: "0", "aria-label": `Objects of ${name}` });
  const element = h("section", { id: `console-${name}`, class: "console", "aria-labelledby": `console-title-${name}` }, header, h("div", { class: "inside" }, terminals, aside));
  paint(element, color);
  place.element.append(element);
  panel(aside, name, app);
  objects.addEventListener("click", () => {
    remember(PANELS, !remembered(PANELS, true));
    store.changed();
  });
  const open = new Map();
  store.watch(({ state: known, lost }) => {
    if (!known) return;
    const cluster = known.clusters.find((one) => one.name === name);
    const own = known.consoles.filter((one) => one.cluster === name);
    text(title, cluster ? titleOfCluster(cluster) : name);
    text(standsFor, cluster?.stands_in_for ? `stands in for ${cluster.stands_in_for}` : "");
    text(state, wordsOf(cluster, own, lost.get(name), known.mode));
    attr(state, "data-bad", cluster?.reachable === false || lost.has(name));
    const wide = remembered(PANELS, true);
    show(aside, wide);
    attr(objects, "aria-expanded", wide ? "true" : "false");
    attr(element, "data-typed", known.running && own.some((one) => one.name === store.typing));
    attr(terminals, "data-count", own.length);
    reconcile(terminals, own, open, {
      focus: (inside) => {
        show(back, inside);
        attr(element, "data-keys", inside);
      },
      canType: () => store.state.mode !== "replay",
    });
  });
  return element;
}

function wordsOf(cluster, own, lost, mode) {
  if (lost) return lost;
  if (cluster?.reachable === false) return "does not answer";
  if (mode === "replay") return "replay, read only";
  if (own.some(({ alive }) => alive === false)) return "its shell has ended";
  return own.some(({ busy }) => busy) ? "busy" : "";
}

// Opens a terminal for each console that is there, and closes the others.
function reconcile(root, own, open, handlers) {
  for (const [name, { terminal, element }] of open) {
    if (own.some((one) => one.name === name)) continue;
    terminal.dispose();
    element.remove();
    open.delete(name);
  }
  own.forEach(({ name, title }, number) => {
    if (open.has(name)) return;
    const terminal = new ConsoleTerminal(name, { label: `Console ${title}`, ...handlers });
    const caption = number ? h("p", { class: "caption" }, title) : null;
    const element = h("div", { class: "one" }, caption ?? "", terminal.element);
    root.append(element);
    open.set(name, { terminal, element });
    terminal.open();
  });
}
