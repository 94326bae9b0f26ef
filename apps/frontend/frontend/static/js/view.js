// The page's elements: each function shows one thing, and writes text only as text.

import { Colours, textOn } from "./colours.js";
import { WINDOW, clusterOf } from "./model.js";

const TILES = 60;
const ROWS = 5;
const colours = new Colours();
const byId = (id) => document.getElementById(id);

function text(id, value) {
  const element = byId(id);
  if (element.textContent !== value) element.textContent = value;
}

function paint(element, answer) {
  if (!answer || answer.error) {
    element.style.removeProperty("--of");
    element.style.removeProperty("--on");
    return;
  }
  const colour = colours.of(clusterOf(answer), answer.color);
  element.style.setProperty("--of", colour);
  element.style.setProperty("--on", textOn(colour));
}

function node(tag, classes = "", words = "") {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.textContent = words;
  return element;
}

const ms = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

// Rows and tiles are there from the start, empty: nothing moves when answers come.
export function prepare() {
  byId("strip").replaceChildren(...Array.from({ length: TILES }, () => node("li")));
  byId("recent").replaceChildren(
    ...Array.from({ length: ROWS }, () => {
      const row = node("tr");
      row.append(...["", "", "", "", "", "number"].map((classes) => node("td", classes)));
      return row;
    }),
  );
}

export function showFrontend({ cluster, pod }) {
  text("asker", pod);
  text("asker-cluster", cluster);
}

export function showUpstreams(upstreams, current, onChoice) {
  const labels = upstreams.map(({ name, url }) => {
    const label = node("label");
    const input = node("input");
    Object.assign(input, { type: "radio", name: "upstream", value: name, checked: name === current });
    input.addEventListener("change", () => onChoice(name));
    label.title = url;
    label.append(input, name);
    return label;
  });
  byId("upstreams").replaceChildren(byId("upstreams").querySelector("legend"), ...labels);
}

export function showLink(state, words) {
  byId("link").dataset.state = state;
  document.body.dataset.link = state;
  text("link-text", words);
}

export function showLast(answer, upstream) {
  const box = byId("last");
  box.dataset.state = !answer ? "waiting" : answer.error ? "failed" : "answered";
  paint(box, answer);
  const name = !answer ? "…" : answer.error ? "no answer" : clusterOf(answer);
  box.style.setProperty("--length", String(Math.max(name.length, 4)));
  text("last-by", !answer ? "waiting for an answer" : answer.error ? `${upstream}: ${answer.error.detail}` : `${upstream} answered from`);
  text("last-cluster", name);
  text("last-pod", answer?.pod ?? "–");
  text("last-version", answer?.version ?? "–");
  text("last-latency", answer ? `${ms(answer.latency_ms)} ms` : "–");
}

export function showTally(tally) {
  text("window", String(tally.size || WINDOW));
  text("sent", String(tally.sent));
  text("failed", String(tally.failed));
  byId("failed-box").toggleAttribute("data-some", tally.failed > 0);
  for (const percent of [50, 99]) {
    const value = tally.percentile(percent);
    text(`p${percent}`, value === null ? "–" : `${ms(value)} ms`);
  }
  showShares(tally.shares());
  showStrip(tally.last(TILES));
  showRecent(tally.last(ROWS).reverse());
}

function showShares(shares) {
  const list = byId("shares");
  const names = shares.map(({ name }) => name).join(" ");
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(...(shares.length ? shares.map(shareRow) : [node("li", "none", "no answer yet")]));
  }
  shares.forEach(({ name, count, percent, failed }, at) => {
    const row = list.children[at];
    row.querySelector("small").textContent = String(count);
    row.querySelector(".percent").textContent = `${Math.round(percent)} %`;
    row.style.setProperty("--percent", percent.toFixed(1));
    row.style.setProperty("--of", failed ? "var(--bad)" : colours.of(name));
  });
}

function shareRow({ name }) {
  const row = node("li");
  const label = node("span", "name", name);
  const track = node("div", "track");
  label.append(node("small"));
  track.append(node("div", "bar"));
  row.append(label, node("span", "percent"), track);
  return row;
}

function showStrip(answers) {
  const tiles = byId("strip").children;
  for (let at = 0; at < TILES; at += 1) {
    const answer = answers[at - (TILES - answers.length)];
    tiles[at].dataset.state = !answer ? "empty" : answer.error ? "failed" : "answered";
    // A letter as well: colours alone say nothing to some.
    tiles[at].textContent = !answer ? "" : answer.error ? "×" : clusterOf(answer).charAt(0);
    paint(tiles[at], answer);
  }
}

function showRecent(answers) {
  [...byId("recent").children].forEach((row, at) => {
    const answer = answers[at];
    row.dataset.state = answer?.error ? "failed" : "";
    const words = answer
      ? [String(answer.n), answer.sent_at.slice(11, 23), answer.error ? "no answer" : clusterOf(answer), answer.error?.detail ?? answer.pod, answer.version ?? "–", ms(answer.latency_ms)]
      : ["", "", "", "", "", ""];
    words.forEach((word, column) => {
      const cell = row.children[column];
      cell.textContent = word;
      cell.title = word;
    });
    if (answer && !answer.error) row.children[2].prepend(node("span", "mark"));
    paint(row, answer);
  });
}

export function showIdentity({ identity, problem }) {
  const between = byId("between");
  between.dataset.state = problem ? "failed" : identity.mtls ? "mtls" : "none";
  text("between", problem ? "no answer" : identity.mtls ? "mTLS →" : "no mTLS seen");
  between.title = problem ?? identity.problem ?? "";
  text("client", identity?.client?.id ?? "–");
  // Linkerd's headers name the client and the gateway, never the server.
  const unnamed = identity?.gateway ? `behind ${identity.gateway.id}` : identity?.client ? "not named by the mesh" : "–";
  text("server", identity?.server?.id ?? unnamed);
}

export function showPaused(paused) {
  byId("pause").setAttribute("aria-pressed", String(paused));
  text("pause", paused ? "Go on" : "Pause");
}

export function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  text("theme", theme === "dark" ? "Light" : "Dark");
}

// For those who listen: a sentence now and then, not every answer.
export function speak(tally) {
  const parts = tally.shares().map(({ name, percent }) => `${name} ${Math.round(percent)} percent`);
  if (tally.size) text("spoken", `Last ${tally.size} requests: ${parts.join(", ")}.`);
}
