// What is known of one upstream: the last answers, and what the frontend counted. Bounded, without DOM and network.

const ANSWERS = 2000;
const SLOTS = 660; // eleven minutes
const FEW = 30; // phases, gaps, marks, breaks, changes of weights
export const SAMPLE = 200; // answers that shares are of
export const UNKNOWN = "unknown";

export function clusterOf(answer) {
  return answer.cluster ?? UNKNOWN;
}

function keep(list, most) {
  if (list.length > most) list.splice(0, list.length - most);
}

export class History {
  answers = []; // a ring of ANSWERS; number k of all is at k % ANSWERS
  total = 0;
  squares = []; // a ring as well: answers and taps, as the grid has them
  shown = 0;
  lost = 0;
  refused = 0;
  tellsAttempts = false;
  clusters = new Set();
  slots = [];
  phases = new Map();
  gaps = new Map();
  marks = [];
  breaks = [];
  weights = [];
  identities = new Map();
  session = 0;
  began = 0; // of the current session, by this computer's clock
  frontend = null;
  #rateChanges = [];
  #shift = 0;

  constructor(upstream) {
    this.upstream = upstream;
  }

  // The frontend's clock may differ from this computer's, as a virtual machine's after a sleep: its times are shifted.
  hello(data) {
    const now = Date.now() / 1000;
    this.#shift = now - data.began_at;
    const last = this.breaks.at(-1);
    if (last && last.to === null) last.to = now;
    this.session += 1;
    this.began = now;
    this.frontend = data.frontend;
    for (const mark of data.marks) this.mark(mark);
    this.#rateChanges.push({ at: this.began, rate: data.rate_per_s });
    keep(this.#rateChanges, FEW);
  }

  // The stream is away from now on, and why in one or two words.
  away(words) {
    const last = this.breaks.at(-1);
    if (!this.session || (last && last.to === null)) return;
    this.breaks.push({ from: Date.now() / 1000, to: null, words });
    keep(this.breaks, FEW);
  }

  answer(answer) {
    answer.at = Date.now();
    this.answers[this.total % ANSWERS] = answer;
    this.total += 1;
    this.#square(answer);
    if (answer.attempts) this.tellsAttempts = true;
    if (answer.error) {
      this.lost += 1;
      this.refused += answer.error.refused;
    } else this.clusters.add(clusterOf(answer));
  }

  // A request from a phone: the grid shows it, and no number counts it.
  tap(answer) {
    answer.at = Date.now();
    this.#square(answer);
  }

  #square(answer) {
    this.squares[this.shown % ANSWERS] = answer;
    this.shown += 1;
  }

  mark(mark) {
    const key = `${mark.id}/${mark.at}`;
    if (this.marks.some((one) => one.key === key)) return;
    this.marks.push({ ...mark, key, at: mark.at + this.#shift });
    keep(this.marks, FEW);
  }

  timeline({ slots, phases, gaps }) {
    for (const slot of slots) this.slots.push({ ...slot, at: this.began + slot.from_s });
    keep(this.slots, SLOTS);
    this.#put(this.phases, phases);
    this.#put(this.gaps, gaps);
  }

  #put(map, numbered) {
    for (const one of numbered) {
      map.set(`${this.session}/${one.number}`, { ...one, session: this.session, at: this.began + one.from_s, until: one.to_s === null ? null : this.began + one.to_s });
    }
    while (map.size > FEW) map.delete(map.keys().next().value);
  }

  split(configured) {
    const now = Date.now() / 1000;
    const last = this.weights.at(-1);
    const text = JSON.stringify([configured.state, configured.weights, configured.failover, configured.problem?.what]);
    if (last?.text === text) return;
    this.weights.push({ at: now, text, ...configured });
    keep(this.weights, FEW);
  }

  identity(cluster, identity) {
    this.identities.set(cluster, { identity, at: Date.now() });
  }

  // Answer number k of all, or undefined if it is forgotten or still to come.
  nth(k) {
    return k >= 0 && k < this.total && k >= this.total - ANSWERS ? this.answers[k % ANSWERS] : undefined;
  }

  square(k) {
    return k >= 0 && k < this.shown && k >= this.shown - ANSWERS ? this.squares[k % ANSWERS] : undefined;
  }

  lastSquares(count) {
    const from = Math.max(0, this.shown - Math.min(count, ANSWERS));
    return Array.from({ length: this.shown - from }, (_, at) => this.squares[(from + at) % ANSWERS]);
  }

  last(count) {
    const from = Math.max(0, this.total - Math.min(count, ANSWERS));
    return Array.from({ length: this.total - from }, (_, at) => this.answers[(from + at) % ANSWERS]);
  }

  // The configured weights of the moment.
  get configured() {
    return this.weights.at(-1) ?? null;
  }

  // Counts of the last answers that were sent since `since` (Unix time): {size, answered, lost, refused, by: Map}.
  sample(count = SAMPLE, since = 0) {
    const by = new Map([...this.clusters].sort().map((name) => [name, 0]));
    const sums = { size: 0, answered: 0, lost: 0, refused: 0, by };
    const from = Math.max(0, this.total - Math.min(count, ANSWERS));
    for (let k = this.total - 1; k >= from; k -= 1) {
      const answer = this.answers[k % ANSWERS];
      if (answer.at / 1000 < since) break;
      sums.size += 1;
      if (!answer.error) {
        sums.answered += 1;
        by.set(clusterOf(answer), (by.get(clusterOf(answer)) ?? 0) + 1);
      } else {
        sums.lost += 1;
        sums.refused += answer.error.refused;
      }
    }
    return sums;
  }

  // The mark that says that failures are intended now, or null.
  get intention() {
    const last = this.marks.at(-1);
    return last?.intended ? last : null;
  }

  get rate() {
    return this.#rateChanges.at(-1)?.rate ?? 1;
  }
}

// The own cluster at the bottom, the others above it by name: as East's console is above West's on the stage.
export function inOrder(names, own) {
  return [...names].sort((a, b) => (b === own) - (a === own) || a.localeCompare(b));
}
