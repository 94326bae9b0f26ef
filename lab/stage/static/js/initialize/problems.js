// Why there is no folder: a wrong address, an impossible combination, YAML that is missing; or what a folder does not have.

import { h, prose, show } from "../dom.js";
import { icon } from "../icons.js";
import { alternative } from "./categories.js";

export class Problems {
  constructor(root, store) {
    store.watch(({ shown, problem }) => {
      const parts = [];
      if (problem?.address) parts.push(...told("This address has choices that do not exist here", [...problem.words.split("\n"), "The usual choices are shown instead."]));
      else if (problem && !problem.field) parts.push(...told("The choice is not shown", [...problem.words.split("\n"), problem.next]));
      if (shown.problems.length) {
        parts.push(...told("This combination is impossible", shown.problems.map(({ reason }) => reason)));
        parts.push(h("ul", { class: "instead", "aria-label": "Possible instead" }, ...shown.problems[0].alternatives.map((one) => h("li", {}, alternative(one, store)))));
      }
      if (shown.failed) {
        parts.push(...told("The YAML is not on this machine", [...shown.failed.what.split("\n"), shown.failed.next ? `Next: ${shown.failed.next}` : ""]));
        parts.push(h("p", {}, h("button", { type: "button", class: "alternative", onclick: () => store.ask(shown.query, { again: true }) }, icon("next"), h("span", {}, "Try again"))));
      }
      if (shown.referenced.length) parts.push(...told("The folder does not have all YAML", shown.referenced));
      const words = JSON.stringify([problem, shown.problems, shown.failed, shown.referenced]); // read out again only if it differs
      if (root.dataset.words === words) return;
      root.dataset.words = words;
      root.replaceChildren(...parts);
      show(root, parts.length > 0);
    });
  }
}

function told(title, lines) {
  return [h("h2", {}, icon("warning"), title), ...lines.map((line) => line.trim()).filter(Boolean).map((line) => {
    const element = h("p");
    prose(element, line);
    return element;
  })];
}
