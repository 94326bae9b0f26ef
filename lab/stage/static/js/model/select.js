// Questions about a state that several views ask. Pure functions.

export function current(state) {
  const id = state.closing ? null : state.current;
  return state.steps.find((step) => step.id === id) ?? null;
}

// The step to which the presentation points, also while a scenario's summary is shown.
export function pointed(state) {
  return state.steps.find((step) => step.id === state.current) ?? null;
}

export function scenarioOf(state, name) {
  return state.scenarios.find((scenario) => scenario.name === name) ?? null;
}

export function closing(state) {
  return state.closing ? scenarioOf(state, state.closing) : null;
}

export function stepsOf(state, scenario) {
  return state.steps.filter((step) => step.scenario === scenario);
}

export function next(state) {
  const at = state.steps.findIndex((step) => step.id === state.current);
  return at < 0 ? null : (state.steps[at + 1] ?? null);
}

// The steps of an act, in order.
export function stepsOfAct(state, act) {
  return state.steps.filter((step) => act.scenarios.includes(step.scenario));
}

// "past", "now" or "future": acts have an order, and undone steps are idle again.
export function placeOfAct(state, act) {
  const at = state.steps.findIndex((step) => step.id === state.current);
  if (at < 0) return "past";
  const places = stepsOfAct(state, act).map((step) => state.steps.indexOf(step));
  if (!places.length) return "future";
  if (Math.max(...places) < at) return "past";
  return Math.min(...places) > at ? "future" : "now";
}

// Whether the presentation is behind a step; its changes may be undone already.
export function isPast(state, step) {
  const at = state.steps.findIndex(({ id }) => id === state.current);
  return at < 0 || state.steps.indexOf(step) < at;
}

// The state of one step in one word, for colours and for people.
export function lookOf(state, step) {
  if (state.running?.step === step.id) return "running";
  if (step.checks === "red" || step.state === "failed") return "red";
  if (step.checks === "green") return "green";
  return step.state === "done" ? "done" : "idle";
}

export const LOOKS = { running: "runs now", red: "red", green: "green", done: "done", idle: "not run" };

export function count(results) {
  const passed = results.filter(({ outcome }) => outcome === "passed").length;
  const skipped = results.filter(({ outcome }) => outcome === "skipped").length;
  return { passed, skipped, asked: results.length - skipped };
}

// Whether something has to be undone.
export function begun(state) {
  return state.steps.some((step) => step.state !== "idle");
}

// What "go" does now; `note` is what a presenter should know before.
export function meaningOfGo(state) {
  const step = pointed(state);
  if (!step) return { label: "The end", verb: "end" };
  if (state.closing) return { label: "Continue", verb: "next", note: "Undoes these steps, then moves on" };
  const skipped = scenarioOf(state, step.scenario)?.skipped;
  if (skipped) return { label: "Skip the scenario", verb: "next" };
  const finished = state.go ? state.go === "next" : step.state === "done"; // recordings of earlier versions have no `go`
  const note = step.checks === "red" ? "Moves on although a check is red" : "";
  if (finished) return { label: step.number === step.count ? "Sum up" : "Next step", verb: "next", note };
  return { label: step.state === "failed" ? "Run again" : "Run", verb: "run" };
}

const DOING = { go: "Runs", repeat: "Runs", check: "Checks", "check-until-green": "Checks until green", undo: "Undoes", back: "Undoes", jump: "Undoes" };

// What runs now, in a word.
export function doing(state) {
  return state.closing && state.running.wish === "go" ? "Undoes" : (DOING[state.running.wish] ?? "Works");
}

// What the running work waits for, else the last note since it began: a console that is busy, for example.
export function waitsFor({ running, notes = [] }) {
  return running.waiting || (notes.findLast(({ at }) => at >= running.since)?.text ?? "");
}

// Seconds as minutes: "0:07", "12:30", "1:02:03".
export function minutes(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

// How the talk compares with its rehearsal: seconds ahead, negative if it is behind; 0 while the current step is within
// the time that it took in the rehearsal; null without a rehearsal. `due_s` is the rehearsed time of the steps before.
export function ahead(store) {
  const { clock } = store.state;
  const due = clock.due_s ?? null;
  if (due === null || clock.started === null) return null;
  const seconds = elapsed(store);
  if (seconds < due) return due - seconds;
  const until = due + (pointed(store.state)?.rehearsed_s ?? 0);
  return Math.min(0, until - seconds);
}

// Unix time as the time of day.
export function timeOfDay(unix) {
  return new Date(unix * 1000).toLocaleTimeString("en-GB");
}

// The clock now, in seconds; the server's number is older by the time since it came.
export function elapsed(store) {
  const { clock } = store.state;
  if (clock.started === null) return 0;
  return store.state.mode === "replay" ? clock.elapsed_s : clock.elapsed_s + (performance.now() - store.receivedMs) / 1000;
}

export function titleOfCluster({ name, role }) {
  return role ? role[0].toUpperCase() + role.slice(1) : name;
}
