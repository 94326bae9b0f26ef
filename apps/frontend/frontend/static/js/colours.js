// Colours per cluster: podinfo's own where it gives one, else one of these; text on top always readable.

const STAND_INS = ["#2563eb", "#c2410c", "#1a7f37", "#8250df", "#9a6700", "#0b7285"];
const HEX = /^#[0-9a-f]{6}$/i;

// Relative luminance, WCAG 2.2.
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Black or white, whichever has the higher contrast on the colour; it is 4.58:1 or more on any.
export function textOn(hex) {
  const light = luminance(hex);
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
}

export class Colours {
  #known = new Map();

  // Remembers the cluster's colour; another cluster's is not given twice, or nobody could tell the two apart.
  of(cluster, offered) {
    const others = [...this.#known].filter(([name]) => name !== cluster).map(([, colour]) => colour);
    let colour = this.#known.get(cluster);
    if (HEX.test(offered ?? "") && !others.includes(offered.toLowerCase())) colour = offered.toLowerCase();
    colour ??= STAND_INS.find((one) => !others.includes(one)) ?? STAND_INS[0];
    this.#known.set(cluster, colour);
    return colour;
  }
}
