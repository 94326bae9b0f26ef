// Colours and letters of clusters.
//
// The colours are those of Okabe and Ito ("Color Universal Design", 2008, jfly.uni-koeln.de/color), which colour-blind
// people can distinguish. Failures have Paul Tol's red of the scheme "vibrant" (personal.sron.nl/~pault), which differs
// from all of them. Letters and shapes say the same as colours.

export const CLUSTERS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442"];
export const FAILURE = "#cc3311";
const CLOSE = 10; // in OKLab times 100: closer colours are mistaken for one another
const HEX = /^#[0-9a-f]{6}$/i;

function linear(hex) {
  return [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
}

// Björn Ottosson, "A perceptual color space for image processing", 2020.
function oklab(hex) {
  const [r, g, b] = linear(hex);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

export function distance(a, b) {
  const [one, other] = [oklab(a), oklab(b)];
  return 100 * Math.hypot(...one.map((part, at) => part - other[at]));
}

// Black or white, whichever has the higher contrast on the colour (WCAG 2.2); it is 4.58:1 or more on any.
export function textOn(hex) {
  const [r, g, b] = linear(hex);
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
}

const USUAL = { east: CLUSTERS[0], west: CLUSTERS[1] }; // the lab's defaults (lab/config/)

class Clusters {
  #colours = new Map();
  #offered = new Map();
  #letters = new Map();
  version = 0; // grows with each change, for those who draw

  // The cluster's colour: podinfo's own, unless it is close to the failures' or to another cluster's.
  colour(cluster, offered) {
    const wanted = HEX.test(offered ?? "") ? offered.toLowerCase() : USUAL[cluster] ?? null;
    const isNew = !this.#offered.has(cluster);
    if (isNew || (HEX.test(offered ?? "") && this.#offered.get(cluster) !== wanted)) {
      this.#offered.set(cluster, wanted);
      this.#assign();
    }
    return this.#colours.get(cluster);
  }

  // All of them anew, by name: which answer came first must not decide who has which colour.
  #assign() {
    const given = new Map();
    const fits = (colour) => [FAILURE, ...given.values()].every((other) => distance(colour, other) >= CLOSE);
    const names = [...this.#offered.keys()].sort();
    for (const name of names) if (this.#offered.get(name) && fits(this.#offered.get(name))) given.set(name, this.#offered.get(name));
    for (const name of names) if (!given.has(name)) given.set(name, CLUSTERS.find(fits) ?? CLUSTERS[given.size % CLUSTERS.length]);
    this.#colours = given;
    this.version += 1;
  }

  // One or two characters that no other cluster has.
  letter(cluster) {
    const known = this.#letters.get(cluster);
    if (known) return known;
    const used = new Set(this.#letters.values());
    const first = cluster.charAt(0).toUpperCase() || "?";
    const pairs = [...cluster.slice(1).replace(/[^a-z0-9]/gi, "")].reverse().map((second) => first + second);
    const letter = [first, ...pairs].find((one) => !used.has(one)) ?? first + String(used.size);
    this.#letters.set(cluster, letter);
    this.version += 1;
    return letter;
  }
}

export const clusters = new Clusters();

// The page's own colours, as css/base.css has them for the theme of the moment.
const NAMES = ["ink", "soft", "line", "card", "track", "bad", "refused", "good", "back"];
let current = {};

export function ink() {
  return current;
}

export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  current = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  current.font = style.getPropertyValue("--sans").trim();
  current.dark = document.documentElement.dataset.theme === "dark";
}
