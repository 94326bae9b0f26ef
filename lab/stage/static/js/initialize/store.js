// The choices that are shown, and what the server says about them. The server decides; this only asks and keeps.

import { ApiError } from "../net/api.js";
import { ask } from "./ask.js";

const POLL_MS = 1_000;

export class Store {
  #watchers = [];
  #asked = 0; // the number of the last question: older answers are not shown
  #timer = 0;

  constructor(options) {
    this.options = options;
    this.shown = null; // the last answer
    this.before = null; // the one before the last choice
    this.problem = null; // {words, field}: why the last question has no answer
    this.busy = false;
  }

  // Calls show(store) now, if there is an answer, and after each change.
  watch(show) {
    this.#watchers.push(show);
    if (this.shown) show(this);
  }

  #changed() {
    if (this.shown) this.#watchers.forEach((show) => show(this));
  }

  // Shows the choices of an address; those of a wrong one are the usual ones, with the reason.
  async open(search) {
    const query = search.replace(/^\?/, "");
    await this.ask(query);
    if (this.shown) return;
    const { problem } = this;
    await this.ask("", { keepAddress: true });
    this.problem = { ...problem, address: true };
    this.#changed();
  }

  // Chooses an option of a category, adds it, or removes it; `as` is the form.
  choose(category, option, on = true) {
    const { selected, form, registry, source } = this.shown;
    const many = this.options.categories.find(({ id }) => id === category)?.many;
    const ids = many ? [...selected[category].filter((id) => id !== option), ...(on ? [option] : [])] : [option];
    const wanted = { ...selected, ...(category === this.options.forms.category ? {} : { [category]: ids }) };
    const texts = { as: category === this.options.forms.category ? option : form, registry, source };
    return this.ask(queryOf(wanted, texts), { chosen: true });
  }

  // Sets `registry` or `source`.
  write(field, value) {
    const { selected, form, registry, source } = this.shown;
    return this.ask(queryOf(selected, { as: form, registry, source, [field]: value }), { chosen: true, field });
  }

  // Asks the server; an older question that is not answered yet no longer counts.
  async ask(query, { chosen = false, field = "", again = false, keepAddress = false } = {}) {
    const number = ++this.#asked;
    clearTimeout(this.#timer);
    this.busy = true;
    this.#changed();
    try {
      const answer = await ask("/api/initialize/preview", { query, again });
      if (number !== this.#asked) return;
      if (answer.invalid) throw new ApiError(answer.invalid);
      if (chosen && this.shown && answer.query !== this.shown.query) this.before = this.shown;
      this.shown = answer;
      this.problem = null;
      if (!keepAddress) history.replaceState(null, "", `${location.pathname}?${answer.query}`);
    } catch (error) {
      if (number !== this.#asked) return;
      this.problem = { words: error.what ?? String(error), next: error.next ?? "", field };
    }
    this.busy = false;
    this.#changed();
    if (this.shown?.coming.length) this.#timer = setTimeout(() => this.ask(this.shown.query, { keepAddress: true }), POLL_MS);
  }
}

function queryOf(selected, texts) {
  const pairs = [...Object.entries(selected).map(([category, ids]) => [category, ids.join(",")]), ...Object.entries(texts)];
  return new URLSearchParams(pairs.filter(([, value]) => value)).toString();
}
