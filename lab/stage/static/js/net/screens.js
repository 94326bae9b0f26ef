// From the presenter's window to the audience's screen in the same browser: what lies over it, nothing or a black screen
// or the QR code. Nothing of the presentation changes, so the server is not asked.

const CHANNEL = "lab-stage.screens";

// The audience's side. `lay(name)` puts "black" or "code" over the screen, or takes it away for "".
// Returns {told}: tells the presenter's windows what lies there now.
export function audienceSide(lay) {
  const channel = new BroadcastChannel(CHANNEL);
  let over = "";
  const told = (name = over) => {
    over = name;
    channel.postMessage({ over });
  };
  channel.addEventListener("message", ({ data }) => {
    if ("lay" in data) lay(data.lay);
    told();
  });
  addEventListener("pagehide", () => channel.postMessage({ gone: true }));
  addEventListener("pageshow", () => told());
  told();
  return { told };
}

// The presenter's side. `show(over)` gets what lies over the audience's screen, and null if there is no such screen.
// Returns {lay}.
export function presenterSide(show) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", ({ data }) => {
    if (data.gone) {
      show(null);
      ask(); // another one may be open
    } else if ("over" in data) show(data.over);
  });
  const ask = () => channel.postMessage({ ask: true });
  show(null);
  ask();
  return { lay: (name) => channel.postMessage({ lay: name }) };
}
