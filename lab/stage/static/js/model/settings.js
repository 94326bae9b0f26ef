// What a person chose for this browser: theme, text size, width of the page, open panels. It survives a reload.

const PREFIX = "lab-stage.";

export function remembered(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? fallback;
  } catch {
    return fallback; // storage is blocked, or holds something else
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is blocked: the choice lasts until the next reload.
  }
}

const THEMES = ["system", "light", "dark"];

export function theme() {
  return remembered("theme", "system");
}

export function isDark() {
  const chosen = theme();
  return chosen === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}

// Calls `show(dark)` now, after each choice, and when the system changes.
export function watchTheme(show) {
  const apply = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    show?.(isDark());
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  addEventListener("stage-theme", apply);
  apply();
}

export function nextTheme() {
  remember("theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  dispatchEvent(new Event("stage-theme"));
}

const [SMALLEST, LARGEST, FACTOR] = [0.6, 2.4, 1.1];

export function zoom() {
  return remembered("zoom", 1);
}

export function applyZoom() {
  document.documentElement.style.setProperty("--zoom", zoom());
}

export function changeZoom(steps) {
  const wanted = steps === 0 ? 1 : zoom() * FACTOR ** steps;
  remember("zoom", Math.min(LARGEST, Math.max(SMALLEST, Math.round(wanted * 100) / 100)));
  applyZoom();
  dispatchEvent(new Event("resize")); // consoles measure their letters again
}
