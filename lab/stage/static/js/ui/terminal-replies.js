// Programs ask a terminal questions ("where is the cursor?"), and the terminal answers as if a person typed. Two
// windows would answer twice, and a replayed output would be answered again: the shell would get stray letters.

const QUESTIONS = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { prefix: ">", final: "q" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
];
const COLOURS = [4, 10, 11, 12];

// Lets the terminal answer only while `may()` is true.
export function guardReplies(terminal, may) {
  const swallow = () => !may();
  for (const question of QUESTIONS) terminal.parser.registerCsiHandler(question, swallow);
  terminal.parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const colour of COLOURS) terminal.parser.registerOscHandler(colour, (data) => data.includes("?") && !may());
}

// Makes one of this browser's windows the one that answers; the next one follows when it is closed.
export function becomeFirst(name, first) {
  if (!navigator.locks) {
    first();
    return;
  }
  navigator.locks.request(`lab-stage/${location.port}/${name}`, () => {
    first();
    return new Promise(() => {});
  });
}
