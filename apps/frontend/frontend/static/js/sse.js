// Server-sent events (WHATWG HTML, "Server-sent events") from a fetch: unlike EventSource, it tells why it failed.

// Calls `take(name, data)` for each event; returns at the end of the body.
export async function readEvents(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) readBlock(block, take);
  }
}

function readBlock(block, take) {
  let name = "message";
  let data = null;
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data = data === null ? line.slice(6) : `${data}\n${line.slice(6)}`;
  }
  if (data !== null) take(name, JSON.parse(data));
}
