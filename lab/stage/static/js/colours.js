// Colours of clusters, as the state gives them: readable text on them, and a readable version of them as text.

const HEX = /^#[0-9a-f]{6}$/i;
const UNKNOWN = "#6b7280";

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// Relative luminance, WCAG 2.2.
function luminance(hex) {
  const [r, g, b] = parts(hex).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Black or white, whichever has the higher contrast; it is 4.58:1 or more on any colour.
export function textOn(hex) {
  const light = luminance(hex);
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
}

// Sets --of (the cluster's colour) and --on (text on it).
export function paint(element, colour) {
  const hex = HEX.test(colour ?? "") ? colour : UNKNOWN;
  element.style.setProperty("--of", hex);
  element.style.setProperty("--on", textOn(hex));
}
