// The audience's line: which step, what it is about, and how it stands.

import { attr, h, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { closing, count, current, doing, elapsed, minutes, pointed, scenarioOf, waitsFor } from "../model/select.js";
import { goButton } from "./controls.js";

const FIRST = "Enter, Space or a clicker runs each step, then moves on";
const MODES = { replay: "Replay of a recorded run", auto: "Rehearsal: it plays by itself" };

export function band(root, app) {
  const { store } = app;
  const title = h("h1", { class: "title" });
  const where = h("p", { class: "where" });
  const narration = h("p", { class: "narration" });
  const status = h("p", { class: "status", role: "status" });
  const mode = h("p", { class: "mode", hidden: true });
  const go = goButton(app);
  root.append(h("div", { class: "telling" }, h("div", { class: "heading" }, title, where), narration), h("div", { class: "doing" }, mode, go, status));

  const tick = () => {
    const { state } = store;
    if (!state) return;
    const found = statusOf(state, app);
    attr(status, "data-look", found.look);
    if (status.dataset.sign !== found.sign) {
      status.dataset.sign = found.sign;
      status.replaceChildren(...(found.sign === "busy" ? [h("span", { class: "busy" })] : found.sign ? [icon(found.sign)] : []), h("span"));
    }
    text(status.lastChild, found.words);
  };
  store.watch(({ state }) => {
    if (!state) return;
    const told = toldBy(state);
    text(title, told.title);
    text(where, told.where);
    prose(narration, told.narration);
    attr(narration, "data-size", sizeOf(told.narration));
    text(mode, MODES[state.mode] ?? "");
    show(mode, state.mode in MODES);
    show(go, state.mode === "live");
    document.title = `${told.title} · East/West lab`;
    tick();
  });
  app.ticks(tick);
}

function unfinished(state) {
  return state.go === "next" ? "A command failed: read the console" : "It did not finish: undo it, or run it again";
}

// Short texts get large letters; all fit into two lines, mostly.
function sizeOf({ length }) {
  return length > 150 ? "long" : length > 100 ? "usual" : "short";
}

function toldBy(state) {
  const over = closing(state);
  if (over) return { title: over.title, where: "what we saw", narration: over.saw };
  const step = current(state);
  if (!step) return { title: "The end", where: "", narration: "All steps were presented, and their changes are undone." };
  const scenario = scenarioOf(state, step.scenario);
  if (scenario.skipped) return { title: scenario.title, where: "is left out on this stack", narration: `${scenario.skipped}.` };
  return { title: step.title, where: `${scenario.title}, step ${step.number} of ${step.count}`, narration: step.narration };
}

// {look, sign, words} of the current step, for its status line.
function statusOf(state, app) {
  const step = pointed(state);
  if (state.running) {
    const { since } = state.running;
    const seconds = state.mode === "replay" ? "" : minutes(state.clock.started === null ? 0 : elapsed(app.store) - (since - state.clock.started));
    return { look: "running", sign: "busy", words: [`${doing(state)} ${seconds}`.trim(), waitsFor(state)].filter(Boolean).join(": ") };
  }
  const why = app.actions.whyNot("go");
  if (why && !app.actions.busy && state.mode === "live") return { look: "idle", sign: "", words: why };
  if (state.closing) return { look: "idle", sign: "", words: state.mode === "live" ? "Continue undoes these steps" : "" };
  if (!step) return { look: "idle", sign: "", words: "" };
  if (step.checks === "unknown") {
    if (step.state === "failed") return { look: "red", sign: "errored", words: state.mode === "live" ? unfinished(state) : "It did not finish" };
    if (step.results.length) return { look: "done", sign: "skipped", words: "Not checked here" };
    if (step.state === "done") return { look: "done", sign: "passed", words: "Done, nothing to check" };
    return { look: "idle", sign: "", words: state.mode === "live" && state.clock.started === null ? FIRST : "" };
  }
  const { passed, asked } = count(step.results);
  if (step.checks === "green") return { look: "green", sign: "passed", words: asked > 1 ? `${passed} of ${asked} checks green` : asked ? "The check is green" : "The checks are green" };
  return { look: "red", sign: "failed", words: asked > 1 ? `${asked - passed} of ${asked} checks red` : asked ? "The check is red" : "A check is red" };
}
