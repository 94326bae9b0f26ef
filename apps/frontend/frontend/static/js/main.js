// The page put together: choices → lanes (streams, histories, columns) → topology, requests, status.

import { getJson } from "./api.js";
import * as choices from "./choices.js";
import { readTheme } from "./colours.js";
import { byId, setText } from "./dom.js";
import { listen, openHelp, openMark, prepareHelp, prepareMarks } from "./keys.js";
import { Lanes } from "./lanes.js";
import { readIdentities, readInfo, readWeights } from "./looks.js";
import { showEdges, showRequests } from "./requests.js";
import { percent, scene, sentences } from "./scene.js";
import { showLost, showProblem, showRetry, showSleep, showStatus } from "./status.js";
import * as toolbar from "./toolbar.js";
import { Topology } from "./topology.js";

const GRID_MS = 100; // ten pictures a second
const WRITE_MS = 250;
const CHARTS_MS = 500;
const IDENTITIES_MS = 2000;
const WEIGHTS_MS = 2000;
const SPEAK_MS = 20000;
const HIDDEN_MS = 60000; // so long a hidden page continues to send requests
const SLEPT_MS = 5000; // a clock that jumps by so much: the computer slept
const RETRY_MS = 2000;

const topology = new Topology(byId("topology"));
const lanes = new Lanes({ changed: showState, hello: ({ frontend }) => showOwn(frontend.cluster) });
let known = [];
let own = "";
let ingress = false;
let stopped = choices.paused();
let hidden = false;
let hiddenTimer = 0;
let ticked = Date.now();

const running = () => !stopped && !hidden;
const rate = () => (running() ? choices.rate() : null);

function showState() {
  showStatus(lanes.states, { stopped, hidden });
}

function showOwn(cluster) {
  own = cluster;
  setText(byId("asker-cluster"), own);
}

// What the viewer does

function pick(names) {
  choices.chooseUpstreams(names);
  show(names);
}

function show(names) {
  lanes.show(names, rate());
  toolbar.showUpstreams(known, names, pick);
  drawAll();
}

function toggle() {
  stopped = !stopped;
  choices.choosePaused(stopped);
  if (stopped) lanes.stop("stopped");
  else lanes.start(choices.rate());
  showState();
}

function chooseRate(wanted) {
  choices.chooseRate(wanted);
  if (running()) lanes.start(wanted);
}

function stepRate(by) {
  const { RATES } = choices;
  const now = choices.rate();
  const next = by > 0 ? RATES.find((one) => one > now) ?? RATES.at(-1) : RATES.findLast((one) => one < now) ?? RATES[0];
  toolbar.showRate(next);
  chooseRate(next);
}

function nextUpstream() {
  const at = known.findIndex(({ name }) => name === lanes.names.at(-1));
  if (known.length) pick([known[(at + 1) % known.length].name]);
}

function countAnew() {
  lanes.forget(rate());
  drawAll();
}

function showView(name) {
  toolbar.showView(name);
  drawAll();
}

function chooseView(name) {
  choices.chooseView(name);
  showView(name);
}

function showTheme(theme) {
  toolbar.showTheme(theme);
  readTheme();
  drawAll();
}

function toggleTheme() {
  const other = choices.theme() === "dark" ? "light" : "dark";
  choices.chooseTheme(other);
  showTheme(other);
}

// Times in which nothing arrives

// A laptop that slept: its connections are dead, though nobody said so.
function tick() {
  const jump = Date.now() - ticked;
  ticked = Date.now();
  if (jump > SLEPT_MS && !document.hidden && running()) {
    showSleep(jump);
    lanes.again("asleep");
  }
  if (known.length) showRetry(lanes.states);
}

function visibility() {
  clearTimeout(hiddenTimer);
  ticked = Date.now();
  if (document.hidden) hiddenTimer = setTimeout(hide, HIDDEN_MS);
  else if (hidden) unhide();
}

function hide() {
  hidden = true;
  if (!stopped) lanes.stop("hidden");
  showState();
}

function unhide() {
  hidden = false;
  if (!stopped) lanes.start(choices.rate());
  showState();
}

function look(read, every) {
  const act = () => running() && !document.hidden && lanes.live.length && read(lanes.live, own);
  act();
  setInterval(act, every);
}

// Drawing

function draw(act, every) {
  let last = -Infinity;
  const frame = (now) => {
    requestAnimationFrame(frame);
    if (now - last < every || document.hidden) return;
    last = now;
    act();
  };
  requestAnimationFrame(frame);
}

function write() {
  for (const column of lanes.columns) column.write();
  showRequests(lanes.histories);
}

function drawCharts() {
  for (const column of lanes.columns) column.drawCharts();
  drawTopology();
}

function drawTopology() {
  if (!own) return;
  const found = scene(lanes.histories, own, ingress);
  topology.draw(found, parseFloat(getComputedStyle(byId("topology")).fontSize));
  showEdges(sentences(found));
}

function drawAll() {
  for (const column of lanes.columns) column.redraw();
  drawTopology();
}

// For those who listen: a sentence now and then, not every answer.
function speak() {
  if (!running()) return;
  const words = lanes.histories.map((history) => {
    const sample = history.sample();
    const parts = [...sample.by].map(([name, count]) => `${name} ${percent(count / sample.size)}`);
    if (sample.lost) parts.push(`no answer ${percent(sample.lost / sample.size)}`);
    return sample.size ? `${history.upstream}, last ${sample.size} requests: ${parts.join(", ")}.` : "";
  });
  setText(byId("spoken"), words.join(" "));
}

// Start

async function start() {
  try {
    const { upstreams } = await getJson("/api/upstreams");
    const info = await readInfo();
    known = upstreams;
    ingress = info.ingress;
    showOwn(info.cluster);
  } catch (error) {
    const text = error.status ? `${error.what}. ${error.next}.` : "Nothing answers at this address. Check the lab with “lab status”; “lab up” starts it.";
    showLost({ title: "The frontend does not answer", text });
    setTimeout(start, RETRY_MS);
    return;
  }
  showProblem(null);
  show(choices.upstreams(known.map(({ name }) => name), known.find((one) => one.default).name));
  showState();
  look(readIdentities, IDENTITIES_MS);
  look(readWeights, WEIGHTS_MS);
  setInterval(speak, SPEAK_MS);
  setInterval(tick, 1000);
  draw(() => lanes.columns.forEach((column) => column.drawGrid()), GRID_MS);
  draw(write, WRITE_MS);
  draw(drawCharts, CHARTS_MS);
}

const keys = { " ": toggle, p: toggle, "+": () => stepRate(1), "=": () => stepRate(1), "-": () => stepRate(-1), "−": () => stepRate(-1), u: nextUpstream, m: openMark, r: countAnew, t: toggleTheme, "?": openHelp };
choices.VIEWS.filter((name) => name !== "stage").forEach((name, at) => (keys[String(at + 1)] = () => chooseView(name)));
listen(keys);
prepareHelp();
prepareMarks();
const buttons = { run: toggle, mark: openMark, reset: countAnew, theme: toggleTheme, help: openHelp, again: () => lanes.again() };
for (const [id, action] of Object.entries(buttons)) byId(id).addEventListener("click", action);
byId("rate").addEventListener("change", (event) => chooseRate(Number(event.target.value)));
byId("views").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab is the browser's to open
  event.preventDefault();
  chooseView(link.dataset.view);
});
addEventListener("popstate", () => {
  choices.reread();
  showView(choices.view());
  showTheme(choices.theme());
});
addEventListener("online", () => lanes.again());
document.addEventListener("visibilitychange", visibility);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showTheme(choices.theme()));

showTheme(choices.theme());
showView(choices.view());
toolbar.showRate(choices.rate());
start();
