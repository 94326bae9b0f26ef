// The stream of answers, that comes back by itself.

const RETRY_MS = 2000;
const SILENCE_MS = 10000; // longer than any request may take: then the connection is dead, though nobody said so

export class Stream {
  #source = null;
  #watch = 0;
  #query = "";
  #handlers;

  // handlers: hello(data), answer(data), state("connecting" | "live" | "lost" | "paused", words)
  constructor(handlers) {
    this.#handlers = handlers;
  }

  open({ upstream, rate }) {
    this.#query = new URLSearchParams({ upstream, rate });
    this.#connect("connecting", "connecting");
  }

  close() {
    clearTimeout(this.#watch);
    this.#source?.close();
    this.#source = null;
    this.#handlers.state("paused", "paused");
  }

  #connect(state, words) {
    this.#source?.close();
    this.#handlers.state(state, words);
    const source = new EventSource(`/api/stream?${this.#query}`);
    this.#source = source;
    source.addEventListener("hello", (event) => {
      this.#alive();
      this.#handlers.hello(JSON.parse(event.data));
    });
    source.addEventListener("answer", (event) => {
      this.#alive();
      this.#handlers.answer(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      this.#handlers.state("lost", "frontend lost, reconnecting");
      // While CONNECTING the browser tries again by itself; after an HTTP error it has given up.
      if (source.readyState === EventSource.CLOSED) this.#later(RETRY_MS);
    });
    this.#later(SILENCE_MS);
  }

  #alive() {
    this.#handlers.state("live", "live");
    this.#later(SILENCE_MS);
  }

  #later(ms) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#connect("lost", "frontend lost, reconnecting"), ms);
  }
}
