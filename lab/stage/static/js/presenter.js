// The presenter's screen put together.

import { begin } from "./app.js";
import { attr, h, prose, show, text } from "./dom.js";
import { current, next, pointed, scenarioOf } from "./model/select.js";
import { actBar, jumpToAct } from "./ui/actbar.js";
import { stayAwake } from "./ui/awake.js";
import { clock } from "./ui/clock.js";
import { controls } from "./ui/controls.js";
import { faults } from "./ui/faults.js";
import { hall } from "./ui/hall.js";
import { listenToKeys } from "./ui/keys.js";
import { log } from "./ui/log.js";
import { openKeys, settings } from "./ui/menu.js";
import { notes } from "./ui/notes.js";
import { outline } from "./ui/outline.js";
import { replay } from "./ui/replay.js";
import { showResults } from "./ui/results.js";

const MODES = { live: "", auto: "rehearsal", replay: "replay" };
const KINDS = { connecting: "connecting", live: "connected", polling: "connected slowly", lost: "no connection", full: "no place", ended: "ended", closed: "no token" };
const byId = (id) => document.getElementById(id);
const app = begin();
const { store, actions } = app;
stayAwake();

actBar(byId("acts"), app);
clock(byId("clock"), app);
notes(byId("notes"), app);
controls(byId("controls"), app);
controls(byId("dock"), app, ["back", "go", "check"]);
const player = replay(byId("replay"), app);

const mode = h("b");
const connected = h("span");
byId("connection").append(h("i", { "aria-hidden": "true" }), connected, mode);
store.watch(({ state, connection }) => {
  attr(byId("connection"), "data-kind", connection.kind);
  text(connected, KINDS[connection.kind]);
  text(mode, state ? MODES[state.mode] : "");
  show(mode, Boolean(state && MODES[state.mode]));
});

const results = h("ul", { class: "results" });
const claims = h("ul", { class: "claims" });
const none = h("p", { class: "empty" }, "This step has no checks.");
const hint = h("p", { class: "hint" });
byId("results").append(h("h2", {}, "Checks"), hint, results, claims, none);
store.watch(({ state }) => {
  if (!state) return;
  const step = current(state) ?? pointed(state);
  const found = step?.results ?? [];
  const coming = found.length ? [] : (step?.claims ?? []);
  showResults(results, found, { full: true });
  claims.replaceChildren(...coming.map((claim) => h("li", {}, claim)));
  show(none, !found.length && !coming.length);
  show(byId("results"), Boolean(step)); // none at the end
  const advice = state.mode === "replay" ? "" : step?.hint;
  prose(hint, advice);
  show(hint, Boolean(advice));
});

const nextTitle = h("b");
const nextWords = h("p");
byId("next").append(h("h2", {}, "Next"), nextTitle, nextWords);
store.watch(({ state }) => {
  if (!state) return;
  const step = next(state);
  show(byId("next"), Boolean(pointed(state)));
  text(nextTitle, step ? step.title : "The end");
  const other = step && pointed(state) && step.scenario !== pointed(state).scenario;
  prose(nextWords, step ? (other ? `${scenarioOf(state, step.scenario).title}: ${step.narration}` : step.narration) : "");
});

byId("happened").append(h("h2", {}, "Marks and notes"), markForm());
log(byId("happened"), app, { most: 8, of: ({ kind }) => kind !== "command" });
byId("hall").append(h("h2", {}, "The audience’s screen"));
const screen = hall(byId("hall"), app);
byId("faults").append(h("h2", {}, "Inject a fault"));
faults(byId("faults"), app);
byId("outline").append(h("h2", {}, "All steps"));
outline(byId("outline"), app);
byId("settings").append(settings());

function markForm() {
  const input = h("input", { type: "text", id: "mark", maxlength: "120", required: true, placeholder: "What happens now?", "aria-label": "Text of the mark" });
  const form = h("form", { class: "markform" }, input, h("button", { type: "submit", class: "control" }, h("b", {}, "Mark")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) actions.mark(input.value.trim());
    input.value = "";
    input.blur();
  });
  return form;
}

const goTo = (id) => () => {
  byId(id).scrollIntoView({ block: "start" });
  byId(id).querySelector("button:not([aria-disabled]), input")?.focus();
};
listenToKeys({
  actions,
  act: (number) => jumpToAct(app, number),
  extra: {
    i: goTo("faults"),
    m: () => byId("mark").focus(),
    q: screen.code,
    b: screen.black,
    ".": screen.black,
    "?": () => openKeys(app, { presenter: true }),
    ...player.keys(),
  },
});
