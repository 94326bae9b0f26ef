// One upstream's stream of events: it comes back by itself, ever more slowly, and says why it is away.

import { problemOf } from "./api.js";
import { readEvents } from "./sse.js";

const FIRST_MS = 5000; // without the first event: something between holds it back, or nothing answers
const SILENCE_MS = 6000; // the timeline comes each second
const LATE_S = 3; // events that are so much later than the first ones were held back on their way
const STEADY_S = 5; // a stream that lasts so long works: the next failure is a first one
const PROBE_MS = 3000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15000];

const ENDS = {
  stop: ["The frontend restarts", "Its pod ends; another one answers in a moment."],
  "too slow": ["This page could not keep up", "It was a thousand answers behind. Fewer requests per second help."],
  other: ["The stream has ended", "A proxy closed the connection, or the frontend ended without a word."],
};

export const State = Object.freeze({ CONNECTING: "connecting", LIVE: "live", LATE: "late", LOST: "lost", STOPPED: "stopped" });

export class Stream {
  #upstream;
  #handlers;
  #abort = null;
  #watch = 0;
  #retry = 0;
  #failures = 0;
  #lag = Infinity;
  #began = 0;
  #reason = "";
  #rate = 0;
  state = { name: State.STOPPED };

  // handlers: hello, answer, tap, mark, timeline, each with the event's data; state({name, title, text, retryAt})
  constructor(upstream, handlers) {
    this.#upstream = upstream;
    this.#handlers = handlers;
  }

  start(rate) {
    this.#rate = rate;
    this.#failures = 0;
    this.#connect();
  }

  stop() {
    this.#close();
    this.#tell({ name: State.STOPPED });
  }

  // After the computer slept, or when the viewer asks: do not wait.
  again() {
    if (this.state.name === State.STOPPED) return;
    this.#failures = 0;
    this.#connect();
  }

  #tell(state) {
    this.state = state;
    this.#handlers.state(state);
  }

  #close() {
    clearTimeout(this.#watch);
    clearTimeout(this.#retry);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #connect() {
    this.#close();
    const abort = new AbortController();
    this.#abort = abort;
    this.#lag = Infinity;
    if (this.state.name !== State.LOST) this.#tell({ name: State.CONNECTING });
    this.#within(FIRST_MS, abort, () => this.#silent(abort));
    const query = new URLSearchParams({ upstream: this.#upstream, rate: this.#rate });
    try {
      const response = await fetch(`/api/stream?${query}`, { signal: abort.signal, cache: "no-store", headers: { accept: "text/event-stream" } });
      if (!response.ok) throw await problemOf(response);
      await readEvents(response.body, (name, data) => this.#take(name, data, abort));
      if (this.#abort === abort) this.#lose(abort, ...(ENDS[this.#reason] ?? ENDS.other));
    } catch (error) {
      if (this.#abort !== abort) return;
      if (error.status) this.#lose(abort, refusalTitle(error), `${sentence(error.what)} ${sentence(error.next)}`);
      else this.#lose(abort, "No connection to the frontend", "Nothing answers at this address. Check the lab with “lab status”.");
    }
  }

  #take(name, data, abort) {
    if (this.#abort !== abort) return;
    this.#within(SILENCE_MS, abort, () => this.#lose(abort, "No sign of life from the frontend", `Nothing has come for ${SILENCE_MS / 1000} s.`));
    if (name === "hello") {
      this.#reason = "";
      this.#began = data.began_at;
      this.#tell({ name: State.LIVE });
    }
    if (name === "timeline") this.#notice(data.now_s);
    if (name === "end") this.#reason = data.reason; // the end of the body comes next
    this.#handlers[name]?.(data);
  }

  // A proxy that buffers gives events in bursts: they come later than the first ones did.
  #notice(now_s) {
    if (now_s > STEADY_S) this.#failures = 0;
    const lag = Date.now() / 1000 - (this.#began + now_s);
    this.#lag = Math.min(this.#lag, lag);
    const late = lag - this.#lag;
    if (late > LATE_S) {
      this.#tell({ name: State.LATE, title: `Events come ${Math.round(late)} s late`, text: "A proxy between this browser and the frontend holds server-sent events back (it buffers them), or this computer is very busy. The numbers are right, but late." });
    } else if (this.state.name === State.LATE) this.#tell({ name: State.LIVE });
  }

  // The connection is open, or opening, and nothing comes: ask in another way whether the frontend is there.
  async #silent(abort) {
    let alive = false;
    try {
      alive = (await fetch("/healthz", { signal: AbortSignal.timeout(PROBE_MS), cache: "no-store" })).ok;
    } catch {
      // Then it is not.
    }
    if (this.#abort !== abort || this.state.name === State.LIVE) return;
    if (alive) this.#lose(abort, "A proxy holds the events back", "The frontend answers, but its stream does not arrive: a proxy between this browser and the frontend buffers server-sent events. Open the lab’s own address, or switch the proxy’s buffering off.");
    else this.#lose(abort, "No connection to the frontend", "Nothing answers at this address. Check the lab with “lab status”.");
  }

  #lose(abort, title, text) {
    if (this.#abort !== abort) return;
    this.#close();
    const delay = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), delay);
    this.#tell({ name: State.LOST, title, text, retryAt: Date.now() + delay });
  }

  #within(ms, abort, act) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#abort === abort && act(), ms);
  }
}

function refusalTitle({ status }) {
  if (status === 503) return "The frontend accepts no further stream";
  return status >= 500 ? "The frontend does not answer" : "The frontend refuses this stream";
}

function sentence(words) {
  const text = words ? words.charAt(0).toUpperCase() + words.slice(1) : "";
  return text && !/[.!?]$/.test(text) ? `${text}.` : text;
}
