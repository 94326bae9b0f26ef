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
    this.wanted = null; // what was chosen since then, until the answer comes
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
    const { selected, form } = this.chosen;
    const many = this.options.categories.find(({ id }) => id === category)?.many;
    const ids = many ? [...selected[category].filter((id) => id !== option), ...(on ? [option] : [])] : [option];
    const isForm = category === this.options.forms.category;
    return this.#want({ form: isForm ? option : form, selected: isForm ? selected : { ...selected, [category]: ids } });
  }

  // Sets `registry` or `source`.
  write(field, value) {
    return this.#want({ [field]: value }, field);
  }

  // What is chosen now, also before the server has answered: a person may choose faster than that.
  get chosen() {
    return this.wanted ?? this.shown;
  }

  #want(changed, field = "") {
    const { selected, form, registry, source } = this.chosen;
    this.wanted = { selected, form, registry, source, ...changed };
    return this.ask(queryOf(this.wanted), { chosen: true, field });
  }

  // Asks the server; an older question that is not answered yet no longer counts.
  async ask(query, { chosen = false, field = "", again = false, keepAddress = false, poll = false } = {}) {
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
      this.wanted = null;
      if (!poll) this.problem = null;
      if (!keepAddress) history.replaceState(null, "", `${location.pathname}?${answer.query}`);
    } catch (error) {
      if (number !== this.#asked) return;
      this.wanted = null;
      this.problem = { words: error.what ?? String(error), next: error.next ?? "", field };
    }
    this.busy = false;
    this.#changed();
    if (this.shown?.coming.length) this.#timer = setTimeout(() => this.ask(this.shown.query, { keepAddress: true, poll: true }), POLL_MS);
  }
}

function queryOf({ selected, form, registry, source }) {
  const ids = Object.entries(selected).map(([category, chosen]) => [category, chosen.join(",")]);
  const pairs = [...ids, ["as", form], ["registry", registry], ["source", source]];
  return new URLSearchParams(pairs.filter(([, value]) => value)).toString();
}
