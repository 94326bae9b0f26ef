// What is counted: the last answers and sums over them. No DOM, no network.

export const WINDOW = 100;
export const UNKNOWN = "unknown";

export function clusterOf(answer) {
  return answer.cluster ?? UNKNOWN;
}

export class Tally {
  #answers = [];
  #clusters = new Set();
  sent = 0;
  failed = 0;

  add(answer) {
    this.#answers.push(answer);
    if (this.#answers.length > WINDOW) this.#answers.shift();
    this.sent += 1;
    if (answer.error) this.failed += 1;
    else this.#clusters.add(clusterOf(answer));
  }

  last(count) {
    return this.#answers.slice(-count);
  }

  get size() {
    return this.#answers.length;
  }

  // {name, count, percent, failed} for every cluster that ever answered, by name, also at 0 %: one that falls silent
  // stays in sight. Then one for the requests without answer, if there are any. All of them make 100 %.
  shares() {
    const failed = this.#answers.filter((answer) => answer.error).length;
    const share = (name, count, isFailed) => ({ name, count, percent: (100 * count) / (this.size || 1), failed: isFailed });
    const shares = [...this.#clusters].sort().map((name) => {
      return share(name, this.#answers.filter((answer) => !answer.error && clusterOf(answer) === name).length, false);
    });
    return failed ? [...shares, share("no answer", failed, true)] : shares;
  }

  // Milliseconds, nearest rank; null without an answer.
  percentile(percent) {
    const ordered = this.#answers.filter((answer) => !answer.error).map((answer) => answer.latency_ms).sort((a, b) => a - b);
    return ordered.length ? ordered[Math.max(Math.ceil((ordered.length * percent) / 100), 1) - 1] : null;
  }
}
