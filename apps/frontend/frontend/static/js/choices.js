// What the viewer chose: in the address, so that each view has a URL; the theme also in this browser.

export const VIEWS = ["all", "grid", "split", "timeline", "topology", "stage"];
export const RATES = [1, 2, 5, 10, 20, 50];
export const MOST_UPSTREAMS = 4; // a browser opens six connections to a server, and each upstream's stream takes one
const FALLBACK_RATE = 5;
const params = new URLSearchParams(location.search);

function save() {
  const query = params.toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

export function view() {
  const wanted = params.get("view");
  return VIEWS.includes(wanted) ? wanted : "all";
}

// A view is a place to go back to; every other choice replaces the address.
export function chooseView(name) {
  params.set("view", name);
  history.pushState(null, "", `?${params}`);
}

export function addressOf(name) {
  const other = new URLSearchParams(params);
  other.set("view", name);
  return `?${other}`;
}

export function reread() {
  for (const name of [...params.keys()]) params.delete(name);
  for (const [name, value] of new URLSearchParams(location.search)) params.append(name, value);
}

export function upstreams(known, fallback) {
  const wanted = params.getAll("upstream").filter((name) => known.includes(name));
  return wanted.length ? [...new Set(wanted)].slice(0, MOST_UPSTREAMS) : [fallback];
}

export function chooseUpstreams(names) {
  params.delete("upstream");
  for (const name of names) params.append("upstream", name);
  save();
}

export function rate() {
  const wanted = Number(params.get("rate") ?? FALLBACK_RATE);
  return wanted >= 0.1 && wanted <= 100 ? wanted : FALLBACK_RATE;
}

export function chooseRate(value) {
  params.set("rate", String(value));
  save();
}

export function paused() {
  return params.has("paused") && params.get("paused") !== "0";
}

export function choosePaused(value) {
  if (value) params.set("paused", "1");
  else params.delete("paused");
  save();
}

export function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return (params.get("theme") ?? remembered() ?? system) === "dark" ? "dark" : "light";
}

export function chooseTheme(value) {
  params.set("theme", value);
  save();
  try {
    localStorage.setItem("theme", value);
  } catch {
    // Storage may be blocked, for example in a frame: the address still has the theme.
  }
}

function remembered() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}
