// A shape for each kind of failure, on 24 by 24 units, for the canvas and for legends alike.

export const KINDS = {
  connect: { path: "M6 6 18 18M18 6 6 18", words: "no connection" },
  timeout: { path: "M12 3.5a8.5 8.5 0 1 0 .01 0M12 7.5V12l3.4 2.4", words: "timed out" },
  broken: { path: "M3.5 15.5 9 8l5.5 8L20.5 8", words: "cut off" },
  status: { path: "M12 4 21 19.5H3ZM12 10v4M12 16.6v.4", words: "error status" },
  body: { path: "M12 3 21 12 12 21 3 12ZM12 8.5v4M12 15.3v.4", words: "not podinfo's answer" },
  refused: { path: "M12 3.5a8.5 8.5 0 1 0 .01 0M7.5 12h9", words: "refused by policy" },
};

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

const SVG = "http://www.w3.org/2000/svg";

export function shapeIcon(kind) {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.setAttribute("class", kind === "refused" ? "shape refused" : "shape");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", KINDS[kind].path);
  icon.append(path);
  return icon;
}
