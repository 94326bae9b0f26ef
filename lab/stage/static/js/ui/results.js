// What the checks of a step saw. Shape, colour and words say the outcome.

import { attr, h, list, show, text } from "../dom.js";
import { icon } from "../icons.js";

const ASIDE = / \([^)]*\)/g; // how the number was chosen: for those who read, not for those who look
const WORDS = { passed: "green", failed: "red", errored: "could not be checked", skipped: "not checked" };

function make() {
  const parts = {
    mark: h("span", { class: "mark" }),
    outcome: h("span", { class: "unseen" }),
    claim: h("span"),
    observed: h("p", { class: "observed" }),
    expected: h("p", { class: "expected" }),
    command: h("code", { class: "command" }),
  };
  const claim = h("p", { class: "claim" }, parts.outcome, parts.claim);
  const element = h("li", { class: "result" }, parts.mark, h("div", {}, claim, parts.observed, parts.expected, parts.command));
  element.parts = parts;
  return element;
}

// Shows results as items of `root`. With `full`, also what was expected of green ones, and the command to look.
export function showResults(root, results, { full = false } = {}) {
  list(root, results, {
    key: (result) => result.claim,
    make,
    update: (element, { claim, expected, observed, outcome, reason, command }) => {
      const { parts } = element;
      if (element.dataset.outcome !== outcome) {
        element.dataset.outcome = outcome;
        parts.mark.replaceChildren(icon(outcome));
        text(parts.outcome, `${WORDS[outcome]}: `);
      }
      text(parts.claim, claim);
      text(parts.observed, (observed || reason).replaceAll(" = ", "\u00a0=\u00a0"));
      text(parts.expected, `Expected: ${full ? expected : expected.replace(ASIDE, "")}`);
      show(parts.expected, Boolean(expected) && (full || outcome === "failed"));
      text(parts.command, command);
      show(parts.command, full && Boolean(command));
    },
  });
  attr(root, "data-count", results.length);
}
