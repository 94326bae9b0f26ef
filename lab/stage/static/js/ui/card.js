// The card below the page: what comes, then what the checks saw, then what a scenario has shown.

import { attr, h, list, prose, show, text } from "../dom.js";
import { closing, current, lookOf, scenarioOf } from "../model/select.js";
import { showResults } from "./results.js";

const DO = "C checks again, R repeats the step, U undoes it.";

export function card(root, { store }) {
  const title = h("h2");
  const claim = h("p", { class: "theclaim" });
  const script = h("pre", { class: "script", tabindex: "0", "aria-label": "Commands of this step" });
  const results = h("ul", { class: "results" });
  const hint = h("p", { class: "hint" });
  const tries = h("ul", { class: "tries" });
  root.append(claim, title, hint, script, results, tries);
  store.watch(({ state }) => {
    if (!state) return;
    const over = closing(state);
    const step = over ? null : current(state);
    const found = step?.results ?? [];
    const kind = over ? "over" : found.length ? "results" : step?.script ? "script" : "none";
    const scenario = step && scenarioOf(state, step.scenario);
    const first = kind === "script" && step.number === 1 && step.state === "idle";
    attr(root, "data-kind", kind);
    text(title, { over: "To try", results: "What the checks saw", script: step?.state === "idle" ? "This step types" : step?.state === "running" ? "Types now" : "Typed", none: "" }[kind]);
    text(claim, first ? scenario.claim : "");
    show(claim, first);
    text(script, kind === "script" ? step.script : "");
    show(script, kind === "script");
    showResults(results, found);
    show(results, kind === "results");
    const wrong = step && (step.checks === "red" || step.state === "failed");
    prose(hint, wrong ? [step.reason, state.mode === "live" ? DO : ""].filter(Boolean).join(" ") : "");
    show(hint, Boolean(wrong && hint.textContent));
    list(tries, over?.try_next ?? [], { key: (line) => line, make: () => h("li", {}, h("span")), update: (item, line) => prose(item.firstChild, line) });
    show(tries, Boolean(over));
    attr(root, "data-look", step ? lookOf(state, step) : null);
    show(root, kind !== "none" || wrong);
  });
}
