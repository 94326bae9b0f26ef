// The page put together: choices → stream → tally → view.

import { choose, chooseTheme, chosen, theme } from "./choices.js";
import { Tally } from "./model.js";
import { Stream } from "./stream.js";
import * as view from "./view.js";

const BIG_CHANGE_MS = 500; // the large field changes colour at most twice a second: WCAG 2.3.1 allows three flashes
const IDENTITY_MS = 4000;
const SPEAK_MS = 15000;
const RETRY_MS = 2000;

let tally = new Tally();
let upstream = "";
let paused = false;
let lastShown = 0;
let waiting = 0;

const stream = new Stream({
  state: view.showLink,
  hello: ({ frontend }) => view.showFrontend(frontend),
  answer: (answer) => {
    tally.add(answer);
    view.showTally(tally);
    const wait = lastShown + BIG_CHANGE_MS - performance.now();
    clearTimeout(waiting);
    if (wait <= 0) showLast();
    else waiting = setTimeout(showLast, wait);
  },
});

function showLast() {
  lastShown = performance.now();
  view.showLast(tally.last(1)[0], upstream);
}

function countAnew() {
  tally = new Tally();
  view.showTally(tally);
  showLast();
}

function run() {
  countAnew();
  paused = false;
  view.showPaused(paused);
  stream.open({ upstream, rate: document.getElementById("rate").value });
  identity();
}

function togglePause() {
  if (paused) stream.open({ upstream, rate: document.getElementById("rate").value });
  else stream.close();
  paused = !paused;
  view.showPaused(paused);
}

function toggleTheme() {
  const other = theme() === "dark" ? "light" : "dark";
  chooseTheme(other);
  view.showTheme(other);
}

async function getJson(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(`${body.error.what} (${body.error.where})`);
  return body;
}

async function identity() {
  const asked = upstream;
  let shown;
  try {
    shown = await getJson(`/api/identity?${new URLSearchParams({ upstream: asked })}`);
  } catch (error) {
    shown = { problem: error.message };
  }
  if (asked === upstream) view.showIdentity(shown);
}

async function start() {
  let known;
  try {
    known = await getJson("/api/upstreams");
  } catch {
    view.showLink("lost", "frontend lost, reconnecting");
    setTimeout(start, RETRY_MS);
    return;
  }
  const names = known.upstreams.map(({ name }) => name);
  const fallback = known.upstreams.find((one) => one.default).name;
  const wanted = chosen("upstream", fallback);
  upstream = names.includes(wanted) ? wanted : fallback;
  view.showUpstreams(known.upstreams, upstream, (name) => {
    upstream = name;
    choose("upstream", name);
    run();
  });
  run();
  setInterval(() => paused || identity(), IDENTITY_MS);
  setInterval(() => paused || view.speak(tally), SPEAK_MS);
}

const rate = document.getElementById("rate");
rate.value = chosen("rate", "2");
if (!rate.value) rate.value = "2";
rate.addEventListener("change", () => {
  choose("rate", rate.value);
  run();
});

const actions = { pause: togglePause, reset: countAnew, theme: toggleTheme };
for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener("click", action);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  actions[{ p: "pause", r: "reset", t: "theme" }[event.key]]?.();
});

view.showTheme(theme());
view.prepare();
view.showTally(tally);
start();
