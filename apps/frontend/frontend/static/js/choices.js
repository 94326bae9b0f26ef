// What the viewer chose: in the address, so that a link shows the same page; the theme also in this browser.

const params = new URLSearchParams(location.search);

export function chosen(name, fallback) {
  return params.get(name) ?? fallback;
}

export function choose(name, value) {
  params.set(name, value);
  history.replaceState(null, "", `?${params}`);
}

export function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return chosen("theme", remembered() ?? system) === "dark" ? "dark" : "light";
}

export function chooseTheme(value) {
  choose("theme", value);
  try {
    localStorage.setItem("theme", value);
  } catch {
    // Storage may be blocked, for example in a frame: the address still holds the theme.
  }
}

function remembered() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}
