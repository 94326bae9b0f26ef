// The stream of the stage's events, which recovers from everything that happens to a laptop: a restart of the server,
// sleep, a lost network, a proxy that holds the events back.

import { ApiError, get, request } from "./api.js";
import { openSession } from "./session.js";
import { readEvents } from "./sse.js";

const FIRST_MS = 8_000; // the server sends the state at once: who waits longer waits for a proxy
const SILENT_MS = 25_000; // the server sends a heartbeat each 10 s
const POLL_MS = 2_000;
const RETRY_MS = [500, 1_000, 2_000, 3_000];
const TICK_MS = 2_000;
const SLEPT_MS = 15_000; // a timer of 2 s that comes so late: the machine slept

export const PROBLEMS = {
  ended: "Open its new address: `lab stage` has printed it.",
  closed: "Open the whole address that `lab stage` printed; it ends with a token.",
  lost: "The stage does not answer. Check whether `lab stage` still runs; this page tries again by itself.",
  full: "Too many browsers show this stage. Close one; this page tries again by itself.",
  polling: "A proxy holds the stage's events back. This page asks for the state each 2 s instead; the live panels stand still.",
};

// handlers: event(name, data) for each event, and change(kind, words) with the kind of the connection:
// "connecting", "live", "polling", "lost", "full", or one of those that do not recover: "ended", "closed".
export class Connection {
  kind = "connecting";
  #handlers;
  #abort = null;
  #tries = 0;
  #timer = 0;
  #poller = 0;
  #beforeTick = Date.now();
  #known = false;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  start() {
    addEventListener("online", () => this.again());
    addEventListener("hashchange", () => this.again()); // the address with a new token, in the same window
    addEventListener("pageshow", (event) => event.persisted && this.again());
    setInterval(() => this.#tick(), TICK_MS);
    this.again();
  }

  // Connects now.
  again() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#open();
  }

  // Another page says that the key is of an earlier start.
  end() {
    this.#stop(this.#known ? "ended" : "closed");
  }

  #tick() {
    const slept = Date.now() - this.#beforeTick > SLEPT_MS;
    this.#beforeTick = Date.now();
    if (slept && !["ended", "closed"].includes(this.kind)) this.again();
  }

  async #open() {
    const abort = new AbortController();
    this.#abort = abort;
    let began = false;
    const beat = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#silent(abort), SILENT_MS);
      if (!began) {
        began = true;
        this.#tries = 0;
        clearInterval(this.#poller);
        this.#poller = 0;
        this.#become("live");
      }
    };
    this.#timer = setTimeout(() => this.#silent(abort), FIRST_MS);
    try {
      await openSession();
      const response = await request("/api/events", { signal: abort.signal, cache: "no-store" });
      await readEvents(response, { beat, event: ({ name, data }) => this.#event(name, JSON.parse(data)) });
      throw new ApiError({ status: 0, what: PROBLEMS.lost });
    } catch (error) {
      if (this.#abort === abort) this.#failed(error);
    }
  }

  // Nothing came for too long. If the server answers otherwise, something holds the events back.
  async #silent(abort) {
    if (this.#abort !== abort) return;
    abort.abort();
    this.#abort = null;
    try {
      await this.#poll();
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#become("polling");
    this.#poller ||= setInterval(() => this.#poll().catch((error) => this.#failed(error)), POLL_MS);
    this.#open();
  }

  async #poll() {
    this.#event("state", await get("/api/state"));
  }

  #event(name, data) {
    this.#known = true;
    this.#handlers.event(name, data);
  }

  #failed(error) {
    clearInterval(this.#poller);
    this.#poller = 0;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    if (error.status === 401 || error.status === 403) {
      this.end();
      return;
    }
    this.#become(error.status === 503 ? "full" : "lost");
    this.#timer = setTimeout(() => this.#open(), RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)]);
    this.#tries += 1;
  }

  #stop(kind) {
    clearInterval(this.#poller);
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    this.#become(kind);
  }

  #become(kind) {
    if (kind === this.kind) return;
    this.kind = kind;
    this.#handlers.change(kind, PROBLEMS[kind] ?? "");
  }
}
