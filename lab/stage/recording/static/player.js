// Plays a recording in place of the stage's server: the stage's own scripts ask it, and do not know. In an exported file.
(() => {
  const ONLY = "this is a replay: it only shows what was";
  const FRAME_MS = 40;
  const HEARTBEAT_MS = 10_000;
  const SHOWN_BEFORE = 128 << 10;
  const WINDOW_S = 660;
  const CLEAR = "\x1bc";
  const SPEEDS = [0.25, 16];
  const KEPT = new Set(["link", "identity", "split", "hello"]);
  const realFetch = window.fetch;
  const encoder = new TextEncoder();

  let tape = null;
  let state = null; // {at_s, data}
  const panels = new Map();
  const sockets = new Set();
  const readers = new Set(); // of /api/events

  const ready = unpack().then((document) => {
    tape = prepare(document);
    rebuild();
    const fragment = new URLSearchParams(location.hash.slice(1));
    if (fragment.has("t")) control("seek", Number(fragment.get("t")));
    if (fragment.has("play")) control("play");
  });

  async function unpack() {
    const packed = atob(document.getElementById("recording").textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // Puts states and panels together from their changes; what did not change is shared.
  function prepare(document) {
    const last = new Map();
    const events = document.events.map(([at_s, name, data]) => {
      if (data.changes === undefined || (name !== "state" && name !== "panel")) return { at_s, name, data };
      const whole = data.changes.reduce(applied, last.get(data.of) ?? null);
      last.set(data.of, whole);
      return { at_s, name, data: whole };
    });
    const page = document.page.events.map(([at_s, at, upstream, name, text]) => ({ at_s, at, upstream, name, text }));
    const consoles = new Map(Object.entries(document.consoles).map(([name, { size, events: all }]) => [name, { size, events: all.map(([at_s, kind, data]) => ({ at_s, kind, data })) }]));
    return { ...document, events, consoles, page: { ...document.page, events: page } };
  }

  function applied(document, [path, ...value]) {
    if (!path.length) return value[0];
    const [key, ...rest] = path;
    if (Array.isArray(document)) {
      const copy = [...document];
      copy[key] = applied(document[key] ?? null, [rest, ...value]);
      return copy;
    }
    if (!rest.length && !value.length) {
      const { [key]: _, ...left } = document;
      return left;
    }
    return { ...document, [key]: applied(document[key] ?? null, [rest, ...value]) };
  }

  // The last position whose time is not after `at_s`, plus one.
  function until(events, at_s) {
    let [low, high] = [0, events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle].at_s <= at_s) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  const between = (events, after_s, until_s) => events.slice(until(events, after_s), until(events, until_s));

  // Time

  const clock = { at_s: 0, since: performance.now(), playing: false, speed: 1, jumps: 0 };
  let shown = { at_s: 0, playing: false, jumps: 0 };

  function settle() {
    const now = performance.now();
    if (clock.playing) {
      clock.at_s += ((now - clock.since) / 1000) * clock.speed;
      if (clock.at_s >= tape.length_s) [clock.at_s, clock.playing] = [tape.length_s, false];
    }
    clock.since = now;
  }

  function control(action, at_s, speed) {
    settle();
    if (Number.isFinite(speed)) clock.speed = Math.min(SPEEDS[1], Math.max(SPEEDS[0], speed));
    if (action === "play") {
      if (clock.at_s >= tape.length_s) [clock.at_s, clock.jumps] = [0, clock.jumps + 1];
      clock.playing = true;
    } else if (action === "pause") clock.playing = false;
    else if (action === "seek" && Number.isFinite(at_s)) [clock.at_s, clock.jumps] = [Math.min(tape.length_s, Math.max(0, at_s)), clock.jumps + 1];
    advance(true);
    takeFrame(clockFrame());
  }

  function advance(told = false) {
    settle();
    const before = shown;
    shown = { at_s: clock.at_s, playing: clock.playing, jumps: clock.jumps };
    if (shown.jumps !== before.jumps) {
      rebuild();
      publish("state", now());
      for (const panel of panels.values()) publish("panel", panel);
      for (const socket of sockets) socket.show(lastOutput(socket.console));
      return;
    }
    for (const event of between(tape.events, before.at_s, shown.at_s)) {
      take(event);
      if (event.name === "state") publish("state", now());
      else if (event.name !== "console" || tape.consoles.has(event.data.name)) publish(event.name, event.data);
    }
    for (const socket of sockets) socket.advance(before.at_s, shown.at_s);
    for (const event of between(tape.page.events, before.at_s, shown.at_s)) takeFrame(frameOf(event));
    if (shown.playing !== before.playing) takeFrame(clockFrame());
    if (told || shown.playing !== before.playing) publish("state", now());
  }

  setInterval(() => clock.playing && advance(), FRAME_MS);

  function rebuild() {
    state = tape.events.find(({ name }) => name === "state");
    panels.clear();
    for (const event of tape.events.slice(0, until(tape.events, clock.at_s))) take(event);
  }

  function take(event) {
    if (event.name === "state") state = event;
    else if (event.name === "panel") panels.set(event.data.cluster, event.data);
    else state = { ...state, data: folded(state.data, event) };
  }

  // A state with what an event behind it tells; the next whole state has that, too.
  function folded(known, { name, data }) {
    if (name === "mark" || name === "note") {
      const list = known[`${name}s`] ?? [];
      return list.some(({ at, text }) => at === data.at && text === data.text) ? known : { ...known, [`${name}s`]: [...list, data] };
    }
    if (name === "console") {
      const others = (known.consoles ?? []).filter((one) => one.name !== data.name);
      const own = (known.consoles ?? []).find((one) => one.name === data.name);
      return { ...known, consoles: data.closed ? others : [...others, { ...own, ...data }] };
    }
    return known;
  }

  // The state of the moment, as that of a replay.
  function now() {
    const { at_s, data } = state;
    const since = Math.max(0, clock.at_s - at_s);
    const made = {
      ...data,
      mode: "replay",
      page: { url: `replay:page?${tape.page.query}` },
      consoles: (data.consoles ?? []).filter(({ name }) => tape.consoles.has(name)),
      disabled: { ...Object.fromEntries(Object.keys(data.disabled ?? {}).map((name) => [name, ONLY])), jump: null },
      faults: (data.faults ?? []).map((one) => ({ ...one, disabled: ONLY })),
      audience: null,
      replay: { run: tape.id, at_s: clock.at_s, length_s: tape.length_s, playing: clock.playing, speed: clock.speed, recorded_at: tape.began_at, problems: tape.problems },
    };
    if (data.running) {
      const ran = tape.began_at + at_s - (data.running.since ?? tape.began_at + at_s);
      made.running = { ...data.running, since: Date.now() / 1000 - ran - since };
    }
    if (data.clock?.started) {
      const elapsed_s = (data.clock.elapsed_s ?? 0) + since;
      made.clock = { ...data.clock, elapsed_s, started: Date.now() / 1000 - elapsed_s };
    }
    return made;
  }

  // Requests of the stage's scripts

  window.fetch = async (input, options = {}) => {
    const path = String(input);
    if (!path.startsWith("/api/")) return realFetch(input, options);
    await ready;
    if (path === "/api/events") return new Response(eventStream(options.signal), { headers: { "content-type": "text/event-stream" } });
    if (path === "/api/state") return json(now());
    if (path === "/api/replay") {
      const { action, at, speed } = JSON.parse(options.body);
      control(action, at, speed);
      return json({}, 202);
    }
    return json({ error: { what: ONLY, where: path, next: "lab stage, on a lab that is up" } }, 409);
  };

  function json(body, status = 200) {
    return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
  }

  const framed = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

  function publish(name, data) {
    for (const reader of [...readers]) reader(framed(name, data));
  }

  function eventStream(signal) {
    let reader = null;
    let beat = 0;
    const end = () => {
      readers.delete(reader);
      clearInterval(beat);
    };
    return new ReadableStream({
      start(controller) {
        reader = (text) => controller.enqueue(encoder.encode(text));
        reader(framed("state", now()));
        for (const panel of panels.values()) reader(framed("panel", panel));
        readers.add(reader);
        beat = setInterval(() => reader(": the replay is there\n\n"), HEARTBEAT_MS);
        signal?.addEventListener("abort", () => {
          end();
          controller.error(signal.reason);
        });
      },
      cancel: end,
    });
  }

  // Consoles

  function lastOutput({ events }) {
    let text = "";
    for (const { kind, data } of events.slice(0, until(events, clock.at_s)).reverse()) {
      if (kind === "o") text = data + text;
      if (text.length > SHOWN_BEFORE) break;
    }
    if (text.length > SHOWN_BEFORE) {
      text = text.slice(-SHOWN_BEFORE);
      text = text.slice(text.slice(0, 4096).indexOf("\n") + 1);
    }
    return CLEAR + text;
  }

  function sizeOf({ size, events }) {
    const last = events.slice(0, until(events, clock.at_s)).findLast(({ kind }) => kind === "r");
    const [cols, rows] = last ? last.data.split("x").map(Number) : size;
    return { type: "size", cols, rows };
  }

  window.WebSocket = class extends EventTarget {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    readyState = 0;
    binaryType = "arraybuffer";

    constructor(url) {
      super();
      ready.then(() => this.#open(decodeURIComponent(url.split("/").pop())));
    }

    #open(name) {
      if (this.readyState !== 0) return;
      this.console = tape.consoles.get(name);
      if (!this.console) {
        this.close(4404);
        return;
      }
      this.readyState = 1;
      sockets.add(this);
      this.dispatchEvent(new Event("open"));
      this.show(lastOutput(this.console));
    }

    show(text) {
      if (text.startsWith(CLEAR)) this.#say(JSON.stringify(sizeOf(this.console)));
      this.#say(encoder.encode(text).buffer);
    }

    advance(after_s, until_s) {
      let text = "";
      for (const { kind, data } of between(this.console.events, after_s, until_s)) {
        if (kind === "o") text += data;
        else if (kind === "r") this.#say(JSON.stringify(sizeOf(this.console)));
      }
      if (text) this.show(text);
    }

    #say(data) {
      this.dispatchEvent(new MessageEvent("message", { data }));
    }

    send() {} // keys: a recording cannot answer

    close(code = 1000) {
      if (this.readyState === 3) return;
      this.readyState = 3;
      sockets.delete(this);
      queueMicrotask(() => this.dispatchEvent(new CloseEvent("close", { code, wasClean: true })));
    }
  };

  // The page's frame: the page itself, without an address.

  const setAttribute = HTMLIFrameElement.prototype.setAttribute;
  HTMLIFrameElement.prototype.setAttribute = function (name, value) {
    if (name !== "src" || !String(value).startsWith("replay:page")) {
      setAttribute.call(this, name, value);
      return;
    }
    search = String(value).slice("replay:page".length);
    ready.then(() => setAttribute.call(this, "srcdoc", tape.page.html));
  };
  let search = "";

  // The Unix time of a moment: the recording's own time stood still while the computer slept.
  function unixTime() {
    const last = tape.page.events[until(tape.page.events, clock.at_s) - 1];
    return last ? last.at + clock.at_s - last.at_s : tape.began_at + clock.at_s;
  }

  const pageClock = () => ({ at: unixTime(), playing: clock.playing, speed: clock.speed, jumps: clock.jumps });
  const frameOf = ({ at, upstream, name, text }) => `at: ${at}\nupstream: ${upstream}\nevent: ${name}\ndata: ${text}`;
  const clockFrame = () => `event: clock\ndata: ${JSON.stringify(pageClock())}`;

  // The frames for a page that knows nothing yet, until this moment.
  function firstFrames() {
    const begin = until(tape.page.events, clock.at_s - WINDOW_S);
    const kept = new Map();
    for (const event of tape.page.events.slice(0, begin)) if (KEPT.has(event.name)) kept.set(`${event.name} ${event.upstream}`, event);
    return [...[...kept.values()].sort((a, b) => a.at_s - b.at_s), ...tape.page.events.slice(begin, until(tape.page.events, clock.at_s))].map(frameOf);
  }

  let takeFrame = () => {}; // of the page that is shown

  window.labReplay = {
    page: {
      clock: pageClock,
      search: () => search,
      follow(take) {
        for (const frame of firstFrames()) take(frame);
        takeFrame = take;
        take(clockFrame());
      },
      // Another moment: the page begins anew.
      again() {
        takeFrame = () => {};
        const frame = [...document.querySelectorAll("iframe")].find(({ srcdoc }) => srcdoc);
        if (frame) frame.srcdoc = tape.page.html;
      },
      async get(path) {
        if (path === "/api/upstreams") return json(tape.page.upstreams);
        const { info, ingress } = tape.page;
        const headers = { "content-type": "application/json", ...(ingress ? { "x-envoy-upstream-service-time": "0" } : {}) };
        return path === "/api/info" ? new Response(JSON.stringify(info), { headers }) : json({ error: { what: ONLY, where: path, next: "" } }, 404);
      },
    },
  };
})();
