// A shape for each kind of failure, on 24 by 24 units, for the canvas and for legends alike; the dot of a phone's request.

import { ink } from "./colours.js";

export const KINDS = {
  connect: { path: "M6 6 18 18M18 6 6 18", words: "no connection" },
  timeout: { path: "M12 3.5a8.5 8.5 0 1 0 .01 0M12 7.5V12l3.4 2.4", words: "timed out" },
  broken: { path: "M3.5 15.5 9 8l5.5 8L20.5 8", words: "cut off" },
  status: { path: "M12 4 21 19.5H3ZM12 10v4M12 16.6v.4", words: "error status" },
  body: { path: "M12 3 21 12 12 21 3 12ZM12 8.5v4M12 15.3v.4", words: "not podinfo's answer" },
  refused: { path: "M12 3.5a8.5 8.5 0 1 0 .01 0M7.5 12h9", words: "refused by policy" },
};

export const FROM_A_PHONE = "from a phone";

const paths = new Map();

export function kindOf(answer) {
  if (!answer.error) return null;
  return answer.error.refused ? "refused" : answer.error.kind in KINDS ? answer.error.kind : "broken";
}

// Draws the shape in a square of `size` pixels.
export function drawShape(context, kind, x, y, size, colour) {
  if (!paths.has(kind)) paths.set(kind, new Path2D(KINDS[kind].path));
  context.save();
  context.translate(x, y);
  context.scale(size / 24, size / 24);
  context.strokeStyle = colour;
  context.lineWidth = 2.6;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.stroke(paths.get(kind));
  context.restore();
}

// A dot in the corner of a square: a phone sent this request. It has a ring of the other tone, for every colour below it.
export function drawTap(context, x, y, cell) {
  context.beginPath();
  context.arc(x, y, Math.max(1.5, cell * 0.15), 0, 2 * Math.PI);
  context.fillStyle = ink().ink;
  context.strokeStyle = ink().card;
  context.lineWidth = Math.max(1, cell * 0.07);
  context.fill();
  context.stroke();
}

const SVG = "http://www.w3.org/2000/svg";

export function shapeIcon(kind) {
  return svg(kind === "refused" ? "shape refused" : "shape", KINDS[kind].path);
}

// A square with its dot.
export function tapIcon() {
  return svg("shape tap", "M5 3H19A2 2 0 0 1 21 5V19A2 2 0 0 1 19 21H5A2 2 0 0 1 3 19V5A2 2 0 0 1 5 3Z", "M17 3a4 4 0 1 0 .01 0Z");
}

function svg(name, ...paths) {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.setAttribute("class", name);
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    icon.append(path);
  }
  return icon;
}
