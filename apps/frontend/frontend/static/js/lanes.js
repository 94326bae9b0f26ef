// One lane for each upstream that is called: its stream, what is known of it, and its column on the page.

import { clusters } from "./colours.js";
import { Column } from "./column.js";
import { byId } from "./dom.js";
import { History, UNKNOWN } from "./history.js";
import { State, Stream } from "./stream.js";

function offerColour(answer) {
  if (!answer.error) clusters.colour(answer.cluster ?? UNKNOWN, answer.color);
}

export class Lanes {
  #lanes = new Map();
  #changed;
  #hello;

  // changed(): a stream's state is another one; hello(data): a stream has begun
  constructor({ changed, hello }) {
    this.#changed = changed;
    this.#hello = hello;
  }

  get names() {
    return [...this.#lanes.keys()];
  }

  get histories() {
    return [...this.#lanes.values()].map(({ history }) => history);
  }

  // The histories of the streams that are connected.
  get live() {
    return [...this.#lanes.values()].filter(({ stream }) => stream.state.name === State.LIVE).map(({ history }) => history);
  }

  get columns() {
    return [...this.#lanes.values()].map(({ column }) => column);
  }

  get states() {
    return [...this.#lanes.values()].map(({ stream }) => stream.state);
  }

  // Calls exactly these upstreams; `rate` is null for none now.
  show(names, rate) {
    for (const name of this.names) if (!names.includes(name)) this.#close(name);
    const lanes = new Map(names.map((name) => [name, this.#lanes.get(name) ?? this.#open(name)]));
    const opened = names.filter((name) => !this.#lanes.has(name));
    this.#lanes = lanes;
    byId("columns").append(...this.columns.map((column) => column.element));
    document.body.dataset.columns = String(names.length);
    for (const name of opened) if (rate !== null) lanes.get(name).stream.start(rate);
  }

  forget(rate) {
    const { names } = this;
    for (const name of names) this.#close(name);
    this.show(names, rate);
  }

  start(rate) {
    for (const { stream } of this.#lanes.values()) stream.start(rate);
  }

  // `words` say why, on the timeline.
  stop(words) {
    for (const { stream, history } of this.#lanes.values()) {
      stream.stop();
      history.away(words);
    }
  }

  // Connect at once instead of later.
  again(words = "not connected") {
    for (const { stream, history } of this.#lanes.values()) {
      if (stream.state.name === State.STOPPED) continue;
      history.away(words);
      stream.again();
    }
  }

  #open(upstream) {
    const history = new History(upstream);
    const stream = new Stream(upstream, {
      hello: (data) => {
        history.hello(data);
        this.#hello(data);
      },
      answer: (data) => {
        history.answer(data);
        offerColour(data);
      },
      tap: (data) => {
        history.tap(data);
        offerColour(data);
      },
      mark: (data) => history.mark(data),
      timeline: (data) => history.timeline(data),
      state: (state) => {
        if (state.name === State.LOST) history.away("not connected");
        this.#changed();
      },
    });
    return { history, stream, column: new Column(history) };
  }

  #close(upstream) {
    const { stream, column } = this.#lanes.get(upstream);
    this.#lanes.delete(upstream);
    stream.stop();
    column.element.remove();
  }
}
