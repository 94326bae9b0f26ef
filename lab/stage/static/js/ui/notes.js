// The presenter's notes: what to say, and what the step does.

import { attr, h, prose, show, text } from "../dom.js";
import { closing, current, doing, minutes, pointed, scenarioOf, waitsFor } from "../model/select.js";

export function notes(root, { store, ticks }) {
  const where = h("p", { class: "where" });
  const title = h("h1", { class: "title" });
  const narration = h("p", { class: "narration" });
  const claim = h("p", { class: "theclaim" });
  const status = h("p", { class: "running" });
  const script = h("pre", { class: "script", tabindex: "0", "aria-label": "Commands of this step" });
  const verb = h("code");
  const withLab = h("p", { class: "verb" }, "With the lab: ", verb);
  const undo = h("pre", { class: "script" });
  const undoing = h("details", {}, h("summary", {}, "Undo types"), undo);
  const output = h("pre", { class: "output", tabindex: "0", "aria-label": "Output of the step" });
  const printed = h("details", {}, h("summary", {}, "Output"), output);
  root.append(where, title, narration, claim, status, script, withLab, undoing, printed);

  const tick = () => {
    const { running, clock, mode } = store.state;
    show(status, Boolean(running));
    if (!running) return;
    const since = mode === "replay" ? null : running.since;
    const seconds = since === null ? "" : minutes(clock.elapsed_s + (performance.now() - store.receivedMs) / 1000 - (since - clock.started));
    text(status, [`${doing(store.state)} ${seconds}`.trim(), waitsFor(store.state)].filter(Boolean).join(": "));
  };
  store.watch(({ state, output: lines }) => {
    if (!state) return;
    const over = closing(state);
    const step = current(state);
    const scenario = step ? scenarioOf(state, step.scenario) : over;
    text(where, step ? `${scenario.title}, step ${step.number} of ${step.count}` : over ? over.title : "");
    text(title, step ? step.title : over ? "What we saw" : "The end");
    prose(narration, step ? step.narration : over ? over.saw : "All steps were presented.");
    prose(claim, step ? `Claim: ${scenario.claim}` : over ? `To try: ${over.try_next.join(" · ")}` : "");
    show(claim, Boolean(over) || step?.number === 1);
    text(script, step?.script);
    show(script, Boolean(step?.script));
    text(verb, step?.verb);
    show(withLab, Boolean(step?.verb));
    const at = pointed(state);
    text(undo, at?.undo_script);
    show(undoing, Boolean(at?.undo_script));
    text(output, lines.map(({ kind, text: words }) => (kind === "typed" ? `$ ${words}` : words)).join("\n"));
    show(printed, lines.length > 0);
    attr(root, "data-running", Boolean(state.running));
    document.title = `${title.textContent} · Presenter`;
    tick();
  });
  ticks(tick);
}
