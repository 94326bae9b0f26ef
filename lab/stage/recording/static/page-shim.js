// Shows a recording in the lab's page, which does not know it: its clock and its timers are those of the recording, and
// its requests are answered from there. In a replay of `lab stage` the recording comes from the server, in an exported
// file from the window around this one.
(() => {
  const { base, clock: first } = document.currentScript.dataset;
  document.documentElement.dataset.replay = ""; // the player has the only controls
  const realNow = Date.now.bind(Date);
  const realSetTimeout = setTimeout.bind(window);
  const realClearTimeout = clearTimeout.bind(window);

  // Time: Unix milliseconds of the recording. While the page handles an event, it is the time when that event came.

  let clock = first === undefined ? parent.labReplay.page.clock() : JSON.parse(first);
  let since = realNow();
  let handling = null;
  const live = () => clock.at * 1000 + (clock.playing ? (realNow() - since) * clock.speed : 0);
  const now = () => handling ?? live();
  Date.now = now;

  function setClock(next) {
    if (next.jumps !== clock.jumps) {
      source.again();
      return;
    }
    clock = next;
    since = realNow();
    arm();
  }

  // Timers run with this clock: they stand still with a pause, and are faster with a higher speed.

  const timers = new Map();
  let lastTimer = 0;
  let armed = 0;

  function add(act, wait, every, args) {
    lastTimer += 1;
    timers.set(lastTimer, { act, every, args, due: live() + Math.max(0, Number(wait) || 0) });
    arm();
    return lastTimer;
  }

  function arm() {
    realClearTimeout(armed);
    if (!clock.playing || !timers.size) return;
    const due = Math.min(...[...timers.values()].map((timer) => timer.due));
    armed = realSetTimeout(fire, Math.max(0, (due - live()) / clock.speed));
  }

  function fire() {
    const time = live();
    for (const [id, timer] of [...timers]) {
      if (timer.due > time || !timers.has(id)) continue;
      if (timer.every === null) timers.delete(id);
      else timer.due = time + Math.max(1, timer.every);
      try {
        timer.act(...timer.args);
      } catch (error) {
        reportError(error);
      }
    }
    arm();
  }

  window.setTimeout = (act, wait, ...args) => add(act, wait, null, args);
  window.setInterval = (act, wait, ...args) => add(act, wait, Number(wait) || 0, args);
  window.clearTimeout = window.clearInterval = (id) => {
    timers.delete(id);
    arm();
  };

  // What was recorded, by upstream: everything until now, and the streams that the page has open.

  const tracks = new Map();

  function trackOf(upstream) {
    if (!tracks.has(upstream)) tracks.set(upstream, { past: [], hello: null, documents: new Map(), lost: "the recording has no stream of this upstream yet", streams: new Set(), opened: false });
    return tracks.get(upstream);
  }

  function take(frame) {
    const { at, name, upstream, text } = fieldsOf(frame);
    if (name === "") return; // a heartbeat
    if (name === "clock") {
      setClock(JSON.parse(text));
      return;
    }
    const track = trackOf(upstream);
    if (name === "identity" || name === "split") {
      track.documents.set(name, JSON.parse(text));
      return;
    }
    if (name === "link") {
      const { link, words } = JSON.parse(text);
      if (link === "connecting") return;
      track.lost = link === "live" ? null : words;
      if (link === "lost") for (const stream of track.streams) stream.end();
      return;
    }
    track.lost = null;
    const event = { at, name, text };
    if (name === "hello") track.hello = event;
    if (!track.opened) track.past.push(event);
    for (const stream of track.streams) stream.give(event);
  }

  function fieldsOf(frame) {
    const fields = { at: live() / 1000, name: "", upstream: "", text: "" };
    for (const line of frame.split("\n")) {
      const [field] = line.split(": ", 1);
      const value = line.slice(field.length + 2);
      if (field === "at") fields.at = Number(value);
      else if (field === "event") fields.name = value;
      else if (field === "upstream") fields.upstream = value;
      else if (field === "data") fields.text = value;
    }
    return fields;
  }

  const source = base === undefined ? fromParent(parent.labReplay.page) : fromServer(base);

  // Requests

  window.fetch = async (input, options = {}) => {
    const { pathname, searchParams } = new URL(input, "http://replay/");
    const upstream = searchParams.get("upstream");
    switch (pathname) {
      case "/api/stream":
        await source.ready;
        return openStream(trackOf(upstream), options.signal);
      case "/api/identity":
      case "/api/split":
        await source.ready;
        return answerOf(trackOf(upstream).documents.get(pathname.slice(5)));
      case "/healthz":
        return json({ status: "ok" });
      case "/api/marks":
        return refuse(403, "This is a replay: it only shows what was");
      default:
        return source.get(pathname);
    }
  };

  function json(body, status = 200) {
    return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
  }

  function refuse(status, what, next = "play on") {
    return json({ error: { what, where: "the recording", next } }, status);
  }

  function answerOf(found) {
    if (found === undefined) return refuse(502, "the recording does not have this yet");
    return typeof found.problem === "string" ? refuse(502, found.problem) : json(found);
  }

  function openStream(track, signal) {
    if (track.lost !== null) return refuse(502, track.lost, "so it was when this was recorded");
    // The first stream begins with the last minutes; a later one is for a page that has them.
    const waiting = track.opened ? [track.hello] : track.past;
    if (!track.opened && waiting[0]?.name !== "hello" && track.hello) waiting.unshift(track.hello);
    track.opened = true;
    track.past = [];
    const stream = new OpenStream(track, waiting.filter(Boolean), signal);
    const response = new Response(null, { status: 200, headers: { "content-type": "text/event-stream" } });
    Object.defineProperty(response, "body", { value: stream.body });
    return response;
  }

  // A body that gives one event at a time, so that the page handles each at the time when it came.
  class OpenStream {
    #waiting;
    #track;
    #over = false;
    #asked = null; // the page waits for the next event: {resolve, reject}

    constructor(track, waiting, signal) {
      this.#track = track;
      this.#waiting = waiting;
      track.streams.add(this);
      signal?.addEventListener("abort", () => {
        this.end();
        this.#asked?.reject(signal.reason);
        this.#asked = null;
      });
    }

    get body() {
      const read = () =>
        new Promise((resolve, reject) => {
          this.#asked = { resolve, reject };
          queueMicrotask(() => this.#answer()); // then the page waits for this promise
        });
      const reader = { read, releaseLock() {}, cancel: async () => this.end() };
      const body = { locked: false, getReader: () => reader, pipeThrough: () => body, cancel: reader.cancel };
      return body;
    }

    give(event) {
      this.#waiting.push(event);
      this.#answer();
    }

    end() {
      this.#over = true;
      this.#track.streams.delete(this);
      this.#answer();
    }

    #answer() {
      if (!this.#asked || !(this.#waiting.length || this.#over)) return;
      const { resolve } = this.#asked;
      this.#asked = null;
      const event = this.#waiting.shift();
      if (event) inTurn(event.at, () => resolve({ done: false, value: `event: ${event.name}\ndata: ${event.text}\n\n` }));
      else resolve({ done: true, value: undefined });
    }
  }

  let turn = Promise.resolve();

  // Lets the page handle one event after the other: what waits for a promise runs before what follows here.
  function inTurn(at, act) {
    turn = turn
      .then(() => {
        handling = at * 1000;
        act();
      })
      .then(() => {
        handling = null;
      });
  }

  // The recording of the player in the window around this one, for a frame without an address.
  function fromParent(player) {
    globalThis.replaySearch = player.search(); // the page reads it in place of its address
    history.replaceState = history.pushState = () => {};
    player.follow(take);
    return { ready: Promise.resolve(), again: player.again, get: player.get };
  }

  // The recording of a server below `path`. A connection that breaks comes again with the whole page.
  function fromServer(path) {
    const realFetch = fetch.bind(window);
    let isReady = null;
    const ready = new Promise((resolve) => (isReady = resolve));
    const follow = async () => {
      const response = await realFetch(`${path}/frames`, { cache: "no-store" });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        frames.forEach(take);
        if (frames.some((frame) => frame.startsWith("event: clock"))) isReady();
      }
    };
    const again = () => location.reload();
    const broken = async () => {
      const answers = await realFetch(`${path}/`, { cache: "no-store" }).then(({ ok }) => ok, () => false);
      if (answers) again();
      else realSetTimeout(broken, 2000);
    };
    follow().catch(() => {}).finally(() => realSetTimeout(broken, 1000));
    return { ready, again, get: (name) => realFetch(`${path}${name}`, { cache: "no-store" }) };
  }
})();
