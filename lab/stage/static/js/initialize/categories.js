// The questions: each is a group of radio buttons or checkboxes. An option that is impossible now says why, and what to
// choose instead.

import { attr, h, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";

const TYPED_MS = 400;

export class Categories {
  #groups = [];

  constructor(root, questions, store) {
    const { categories, forms, fields } = store.options;
    const output = { id: forms.category, title: "Output", question: "Which form has the folder?", many: false, options: forms.options };
    for (const [number, category] of [...categories, output].entries()) {
      const group = new Group(category, number + 1, store);
      this.#groups.push(group);
      root.append(group.element);
      const key = number < 9 ? h("kbd", { "aria-hidden": "true" }, String(number + 1)) : null;
      questions.append(h("a", { href: `#q-${category.id}`, onclick: () => group.focus() }, key, category.title));
    }
    this.#groups.at(-1).element.append(...fields.map((field) => fieldOf(field, store)));
    store.watch(() => this.#groups.forEach((group) => group.show()));
  }

  // Moves to a question, 1 to 9.
  go(number) {
    this.#groups[number - 1]?.focus();
  }

  // Moves to the next question, or to the one before.
  step(by) {
    const here = this.#groups.findIndex(({ element }) => element.contains(document.activeElement));
    const last = this.#groups.length - 1;
    const to = here < 0 ? (by > 0 ? 0 : last) : Math.min(last, Math.max(0, here + by));
    this.#groups[to].focus();
  }
}

class Group {
  #rows;
  #store;
  #category;

  constructor(category, number, store) {
    this.#store = store;
    this.#category = category;
    this.#rows = category.options.map((option) => new Row(category, option, store));
    const legend = h("legend", { id: `q-${category.id}`, tabindex: "-1" }, h("b", {}, category.title), " ", h("span", {}, category.question));
    const options = h("div", { class: "options" }, ...this.#rows.map(({ element }) => element));
    this.element = h("fieldset", { class: "category", "data-category": category.id, "data-number": number }, legend, options);
  }

  show() {
    const { chosen: now, options } = this.#store;
    const isForm = this.#category.id === options.forms.category;
    const chosen = isForm ? [now.form] : now.selected[this.#category.id];
    for (const row of this.#rows) row.show(chosen);
  }

  focus() {
    const inputs = [...this.element.querySelectorAll("input")].filter((input) => !input.disabled);
    (inputs.find((input) => input.checked) ?? inputs[0])?.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "start" });
  }
}

class Row {
  #category;
  #option;
  #store;
  #input;
  #why;
  #instead;

  constructor(category, option, store) {
    this.#category = category;
    this.#option = option;
    this.#store = store;
    const id = `${category.id}-${option.id}`;
    this.#input = h("input", {
      type: category.many ? "checkbox" : "radio",
      name: category.id,
      id,
      value: option.id,
      "aria-describedby": `${id}-says ${id}-why`,
      onchange: ({ target }) => store.choose(category.id, option.id, target.checked),
    });
    const says = h("p", { class: "says", id: `${id}-says` });
    prose(says, option.selectable === false ? "" : option.says);
    this.#why = h("p", { class: "why", id: `${id}-why` });
    this.#instead = h("ul", { class: "instead", "aria-label": `Instead of ${option.title}` });
    const label = h("label", { for: id }, h("b", {}, option.title), facts(option));
    this.element = h("div", { class: "option", "data-option": option.id }, this.#input, h("div", {}, label, says, this.#why, this.#instead));
  }

  show(chosen) {
    const { shown } = this.#store;
    const refused = shown.disabled.find(({ category, option }) => category === this.#category.id && option === this.#option.id);
    const isChosen = chosen.includes(this.#option.id);
    const had = document.activeElement === this.#input;
    this.#input.checked = isChosen;
    this.#input.disabled = Boolean(refused);
    attr(this.element, "data-state", refused ? (this.#option.selectable === false ? "retired" : isChosen ? "needed" : "refused") : isChosen ? "chosen" : "free");
    text(this.#why, refused?.reason ?? "");
    show(this.#why, Boolean(refused));
    const instead = refused?.alternatives ?? [];
    this.#instead.replaceChildren(...instead.map((one) => h("li", {}, alternative(one, this.#store))));
    show(this.#instead, instead.length > 0);
    if (had && refused) this.element.querySelector("button")?.focus(); // what has the focus must not vanish
  }
}

// A button that chooses what is possible instead.
export function alternative({ query, words }, store) {
  const press = () => store.ask(query, { chosen: true });
  return h("button", { type: "button", class: "alternative", "data-query": query, onclick: press }, icon("next"), h("span", {}, words));
}

function facts(option) {
  const { version, license, upkeep, referenced } = option;
  const parts = [version, license].filter(Boolean).map((part) => h("span", {}, part));
  if (upkeep) parts.push(h("span", { class: "upkeep", "data-upkeep": upkeep }, upkeep));
  if (referenced) parts.push(h("span", { class: "referenced" }, "by its own command"));
  return parts.length ? h("span", { class: "facts" }, ...parts) : null;
}

function fieldOf({ id, label, example, help }, store) {
  const input = h("input", { type: "text", id, placeholder: example, maxlength: "300", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "aria-describedby": `${id}-help ${id}-problem` });
  const below = h("p", { class: "says", id: `${id}-help` });
  prose(below, help);
  const problem = h("p", { class: "problem", id: `${id}-problem`, role: "alert" });
  let timer = 0;
  const send = () => {
    clearTimeout(timer);
    if (input.value.trim() !== store.shown[id] || store.problem?.field === id) store.write(id, input.value.trim());
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(send, TYPED_MS);
  });
  input.addEventListener("change", send);
  store.watch(({ shown, problem: found }) => {
    const mine = found?.field === id;
    if (!mine && document.activeElement !== input) input.value = shown[id];
    attr(input, "aria-invalid", mine ? "true" : null);
    text(problem, mine ? found.words.replace(`${id}: `, `“${input.value.trim()}” `) : "");
    show(problem, mine);
  });
  return h("div", { class: "field" }, h("label", { for: id }, label), input, below, problem);
}
