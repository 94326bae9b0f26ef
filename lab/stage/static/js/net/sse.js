// Server-sent events over fetch. EventSource hides the status and the heartbeats, and both are needed here.

// Takes the text of a stream in pieces of any size, and tells each event: {name, data, id}.
export class EventParser {
  #rest = "";
  #fields = {};
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  feed(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      const { event: name = "message", data, id = "" } = this.#fields;
      this.#fields = {};
      if (data !== undefined) this.#tell({ name, data: data.join("\n"), id });
      return;
    }
    if (line.startsWith(":")) return; // a comment: the heartbeat
    const [field, ...rest] = line.split(":");
    const value = rest.join(":").replace(/^ /, "");
    if (field === "data") (this.#fields.data ??= []).push(value);
    else this.#fields[field] = value;
  }
}

// Reads a stream until it ends. `beat()` is called for everything that arrives, also for heartbeats.
export async function readEvents(response, { beat, event }) {
  const parser = new EventParser(event);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    beat();
    parser.feed(value);
  }
}
