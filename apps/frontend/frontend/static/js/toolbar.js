// What the bar on top shows of the viewer's choices.

import * as choices from "./choices.js";
import { byId, element, setText } from "./dom.js";

export function showView(name) {
  document.body.dataset.view = name;
  for (const link of byId("views").children) {
    link.href = choices.addressOf(link.dataset.view);
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

export function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText(byId("theme"), theme === "dark" ? "Light" : "Dark");
}

export function showRate(rate) {
  const select = byId("rate");
  if (![...select.options].some((option) => Number(option.value) === rate)) select.append(element("option", "", String(rate)));
  select.value = String(rate);
}

// known: [{name, url}]; pick(names) is called with a new choice.
export function showUpstreams(known, chosen, pick) {
  const set = byId("upstreams");
  if (set.querySelectorAll("label").length !== known.length) {
    set.replaceChildren(set.querySelector("legend"), ...known.map(({ name }) => {
      const label = element("label");
      const box = element("input");
      Object.assign(box, { type: "checkbox", value: name });
      box.addEventListener("change", () => pick([...set.querySelectorAll("input:checked")].map(({ value }) => value)));
      label.append(box, element("span", "", name));
      return label;
    }));
  }
  for (const box of set.querySelectorAll("input")) {
    box.checked = chosen.includes(box.value);
    box.disabled = box.checked ? chosen.length === 1 : chosen.length >= choices.MOST_UPSTREAMS;
    const { url } = known.find(({ name }) => name === box.value);
    const why = box.checked ? "At least one upstream is called" : `At most ${choices.MOST_UPSTREAMS} upstreams side by side`;
    box.parentElement.title = box.disabled ? why : url;
  }
}
