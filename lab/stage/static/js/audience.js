// The audience's screen put together.

import { begin } from "./app.js";
import { h, text } from "./dom.js";
import { icon } from "./icons.js";
import { actBar, jumpToAct } from "./ui/actbar.js";
import { stayAwake } from "./ui/awake.js";
import { band } from "./ui/band.js";
import { card } from "./ui/card.js";
import { consoles } from "./ui/consoles.js";
import { frame } from "./ui/frame.js";
import { listenToKeys } from "./ui/keys.js";
import { log } from "./ui/log.js";
import { askMark, openFaults, openKeys, openMenu, openPresenter } from "./ui/menu.js";
import { overlay } from "./ui/overlay.js";
import { replay } from "./ui/replay.js";
import { splitter } from "./ui/splitter.js";

const SHOWN_S = 90;
const OWN_MARKS = new Set(["fault", "note"]); // the others are titles and commands, which the screen shows anyway
const byId = (id) => document.getElementById(id);
const app = begin();
stayAwake();

actBar(byId("acts"), app);
band(byId("band"), app);
frame(byId("page"), app);
card(byId("card"), app);
log(byId("log"), app, { most: 2, for_s: SHOWN_S, of: ({ kind }) => OWN_MARKS.has(kind) });
const floor = byId("floor");
floor.insertBefore(splitter(floor), byId("consoles"));
const shells = consoles(byId("consoles"), app);
const player = replay(byId("replay"), app);
const { lay } = overlay(app);
const black = () => lay("black");
const code = () => lay("code");

byId("menu").append(icon("menu"), h("span", { class: "unseen" }, "Menu"));
byId("menu").addEventListener("click", () => openMenu(app, { ...shells, code, black }));
app.store.watch(({ state }) => text(byId("lab"), state ? state.lab.title : ""));

listenToKeys({
  actions: app.actions,
  act: (number) => jumpToAct(app, number),
  extra: {
    i: () => openFaults(app),
    m: () => askMark(app),
    o: shells.togglePanels,
    q: code,
    b: black,
    ".": black,
    p: openPresenter,
    "?": () => openKeys(app),
    ...player.keys(),
  },
});

// The page in the frame keeps the keys after a click in it: they come back when the mouse leaves it.
byId("floor").addEventListener("pointerover", ({ target }) => {
  const { activeElement } = document;
  if (activeElement?.tagName === "IFRAME" && target !== activeElement) activeElement.blur();
});
