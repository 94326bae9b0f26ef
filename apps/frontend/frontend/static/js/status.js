// Whether the page is live, and what is wrong if it is not: what, why, and when it is tried again.

import { byId, setText } from "./dom.js";
import { State } from "./stream.js";

const WORST_FIRST = [State.LOST, State.LATE, State.CONNECTING, State.LIVE];
const WORDS = { stopped: "stopped", hidden: "paused while hidden", live: "live", connecting: "connecting", late: "late", lost: "reconnecting" };
let note = "";

export function showStatus(states, { stopped, hidden }) {
  const worst = WORST_FIRST.map((name) => states.find((one) => one.name === name)).find(Boolean);
  const name = stopped ? "stopped" : hidden ? "hidden" : worst?.name ?? State.CONNECTING;
  showName(name);
  setText(byId("run"), stopped ? "Start" : "Stop");
  showProblem(name === State.LOST || name === State.LATE ? worst : null);
  showRetry(states);
}

function showName(name) {
  document.body.dataset.state = name;
  byId("state").dataset.state = name;
  setText(byId("state-text"), WORDS[name]);
}

// A problem before there is any stream, or none.
export function showProblem(problem) {
  byId("problem").hidden = !problem;
  if (!problem) return;
  setText(byId("problem-title"), problem.title);
  setText(byId("problem-text"), `${problem.text}${note}`);
}

export function showLost(problem) {
  showName(State.LOST);
  showProblem(problem);
  byId("again").hidden = true;
}

// Called each second: the time until the next try.
export function showRetry(states) {
  const lost = states.filter(({ name }) => name === State.LOST);
  byId("again").hidden = !lost.length;
  const next = Math.min(...lost.map(({ retryAt }) => retryAt));
  setText(byId("problem-again"), lost.length ? `Next try in ${Math.max(0, Math.ceil((next - Date.now()) / 1000))} s.` : "");
}

// The computer slept for so long: said for a while beside the problem that follows from it.
export function showSleep(millis) {
  const seconds = Math.round(millis / 1000);
  note = ` This computer slept for ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}.`;
  setTimeout(() => (note = ""), 15000);
}
