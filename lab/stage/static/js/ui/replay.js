// The controls of a replay: play, pause, seek.

import { attr, h, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { minutes } from "../model/select.js";

const SPEEDS = [1, 2, 4, 8];
const JUMP_S = 10;
const PROBLEMS = 3; // more do not fit below the controls

// Returns {keys}: for `listenToKeys`.
export function replay(root, { store, actions, ticks }) {
  const play = h("button", { type: "button", class: "primary" });
  const seek = h("input", { type: "range", min: "0", step: "1", "aria-label": "Time in the recording" });
  const time = h("output", { class: "time" });
  const speed = h("select", { "aria-label": "Speed" }, ...SPEEDS.map((factor) => h("option", { value: factor }, `${factor}×`)));
  const run = h("span", { class: "run" });
  const lacking = h("p", { class: "lacking" }, icon("warning"), h("span"));
  root.append(h("b", {}, "Replay"), play, seek, time, speed, run, lacking);

  const now = () => {
    const { at_s: at, length_s: length, playing, speed: factor } = store.state.replay;
    return Math.min(length, at + (playing ? ((performance.now() - store.receivedMs) / 1000) * factor : 0));
  };
  const send = (action, at = now()) => actions.replay(action, at, Number(speed.value));
  const toggle = () => store.state?.replay && send(store.state.replay.playing ? "pause" : "play");
  const move = (seconds) => {
    if (store.state?.replay) send("seek", Math.max(0, Math.min(store.state.replay.length_s, now() + seconds)));
  };
  play.addEventListener("click", toggle);
  seek.addEventListener("change", () => send("seek", Number(seek.value)));
  speed.addEventListener("change", () => send(store.state.replay.playing ? "play" : "pause"));

  const tick = () => {
    const { replay: known } = store.state ?? {};
    show(root, Boolean(known));
    if (!known) return;
    const sign = known.playing ? "pause" : "run";
    if (play.dataset.sign !== sign) {
      play.dataset.sign = sign;
      play.replaceChildren(icon(sign), known.playing ? "Pause" : "Play");
    }
    attr(seek, "max", Math.ceil(known.length_s));
    if (document.activeElement !== seek) seek.value = now();
    attr(seek, "aria-valuetext", `${minutes(now())} of ${minutes(known.length_s)}`);
    text(time, `${minutes(now())} / ${minutes(known.length_s)}`);
    text(run, known.run);
    text(lacking.lastChild, sentence(known.problems ?? []));
    show(lacking, Boolean(known.problems?.length));
    if (document.activeElement !== speed) speed.value = known.speed;
  };
  store.watch(tick);
  ticks(tick);
  return { keys };

  // The keys of a presentation move a replay instead.
  function keys() {
    const either = (inReplay, command) => () => (store.state?.replay ? inReplay() : actions.do(command));
    const [on, forth, back] = [either(toggle, "go"), either(() => move(JUMP_S), "go"), either(() => move(-JUMP_S), "back")];
    return { " ": on, Enter: on, ArrowRight: forth, PageDown: forth, ArrowLeft: back, PageUp: back };
  }
}

// What is missing from a recording, as a sentence.
function sentence(problems) {
  const most = problems.slice(0, PROBLEMS).map((words) => words.replace(/\.$/, "")).join("; ");
  const further = problems.length > PROBLEMS ? `; and ${problems.length - PROBLEMS} more` : "";
  return `Parts of this recording are missing; everything else plays. ${most}${further}.`;
}
