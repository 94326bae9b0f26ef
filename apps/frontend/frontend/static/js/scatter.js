// The scatter that chance alone gives a measured share: 1.96 standard deviations of the binomial distribution, which is
// 95 % (normal approximation): ±1.96 √(p (1 − p) / n). For 50:50 of 200 requests that is ±7 points.

const USUAL = 1.96; // 95 of 100 samples are nearer
const ALARM = 3.29; // 999 of 1000 are: the lab's own checks of splits use the same limit (lab/measure/stats.py)
export const FEWEST = 20; // requests below which the approximation says little

export const Fit = Object.freeze({ GOOD: "good", RARE: "rare", BAD: "bad" });

export function margin(share, count) {
  return count > 0 ? USUAL * Math.sqrt((share * (1 - share)) / count) : 1;
}

// The lowest and highest share to expect, within 0 to 1.
export function expected(share, count) {
  const by = margin(share, count);
  return { low: Math.max(0, share - by), high: Math.min(1, share + by) };
}

// How well a measured share fits. A share of 0 or 1 has no scatter: any other request is wrong.
export function fit(measured, share, count) {
  const away = Math.abs(measured - share);
  if (away < 1e-9) return Fit.GOOD;
  const deviations = away / Math.sqrt((share * (1 - share)) / count);
  return deviations <= USUAL ? Fit.GOOD : deviations <= ALARM ? Fit.RARE : Fit.BAD;
}
