// Shows a recording in the lab's page, which does not know it: its clock and its timers are those of the recording, and
// its requests are answered from there. In a replay of `lab stage` the recording comes from the server, in an exported
// file from the window around this one.
(() => {
  const { base, clock: first } = document.currentScript.dataset;
  const source = base === undefined ? parent.labReplay.page : fromServer(base);
  if (base === undefined) {
    // A frame without an address: its query comes from the player, and there is no history to write.
    globalThis.replaySearch = source.search();
    history.replaceState = history.pushState = () => {};
  }
  const realNow = Date.now.bind(Date);
  const realSetTimeout = setTimeout.bind(window);
  const realClearTimeout = clearTimeout.bind(window);

  // Time: Unix milliseconds of the recording. While the page handles an event, it is the time when that event came.

  let clock = first === undefined ? source.clock() : JSON.parse(first);
  let since = realNow();
  let handling = null;
  const now = () => handling ?? clock.at * 1000 + (clock.playing ? (realNow() - since) * clock.speed : 0);
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
    timers.set(lastTimer, { act, every, args, due: now() + Math.max(0, Number(wait) || 0) });
    arm();
    return lastTimer;
  }

  function arm() {
    realClearTimeout(armed);
    if (!clock.playing || !timers.size) return;
    const due = Math.min(...[...timers.values()].map((timer) => timer.due));
    armed = realSetTimeout(fire, Math.max(0, (due - now()) / clock.speed));
  }

  function fire() {
    const time = now();
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

  // Requests

  const documents = new Map(); // "split podinfo" -> what the frontend said last
  const filled = new Set(); // upstreams whose last minutes the page has

  window.fetch = async (input, options = {}) => {
    const { pathname, searchParams } = new URL(input, "http://replay/");
    const upstream = searchParams.get("upstream");
    switch (pathname) {
      case "/api/stream":
        return openStream(upstream, options.signal);
      case "/api/identity":
      case "/api/split":
        return answerOf(documents.get(`${pathname.slice(5)} ${upstream}`));
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

  function refuse(status, what) {
    return json({ error: { what, where: "the recording", next: "play on" } }, status);
  }

  function answerOf(found) {
    if (found === undefined) return refuse(502, "the recording does not have this yet");
    return found.problem && !found.state ? refuse(502, String(found.problem)) : json(found);
  }

  async function openStream(upstream, signal) {
    const opened = await source.open(upstream, !filled.has(upstream), signal);
    if (opened.problem !== undefined) return opened.response ?? refuse(503, opened.problem);
    filled.add(upstream);
    const response = new Response(null, { status: 200, headers: { "content-type": "text/event-stream" } });
    Object.defineProperty(response, "body", { value: bodyOf(upstream, opened.frames, signal) });
    return response;
  }

  // A body that gives one event at a time, so that the page handles each at its own time.
  function bodyOf(upstream, frames, signal) {
    const read = () =>
      new Promise((resolve, reject) => {
        const next = () =>
          frames.next().then(({ done, value }) => {
            if (signal?.aborted) {
              reject(signal.reason);
              return;
            }
            if (done) {
              resolve({ done: true, value: undefined });
              return;
            }
            const { at, name, text } = fieldsOf(value);
            if (name === "clock") setClock(JSON.parse(text));
            if (name === "document") keep(upstream, JSON.parse(text));
            if (name === "clock" || name === "document" || name === "") {
              next();
              return;
            }
            handling = at * 1000;
            resolve({ done: false, value: `event: ${name}\ndata: ${text}\n\n` });
            queueMicrotask(() => (handling = null)); // after the page's own handler, which waits for this promise
          }, reject);
        next();
      });
    signal?.addEventListener("abort", () => frames.return());
    const reader = { read, releaseLock() {}, cancel: async () => void frames.return(), closed: new Promise(() => {}) };
    const body = { getReader: () => reader, pipeThrough: () => body, locked: false };
    return body;
  }

  function keep(upstream, { kind, document }) {
    documents.set(`${kind} ${upstream}`, document);
  }

  function fieldsOf(frame) {
    let [at, name] = [now() / 1000, ""];
    const data = [];
    for (const line of frame.split("\n")) {
      if (line.startsWith("at: ")) at = Number(line.slice(4));
      else if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    return { at, name, text: data.join("\n") };
  }

  // The recording of a server below `path`.
  function fromServer(path) {
    const realFetch = fetch.bind(window);
    return {
      get: (name) => realFetch(`${path}${name}`, { cache: "no-store" }),
      again: () => location.reload(),
      async open(upstream, all, signal) {
        const query = new URLSearchParams({ upstream, filled: all ? "1" : "0" });
        const response = await realFetch(`${path}/api/stream?${query}`, { signal, cache: "no-store" });
        return response.ok ? { frames: framesOf(response.body) } : { problem: "", response };
      },
    };
  }

  async function* framesOf(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        yield* frames;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }
})();
