// What the topology shows, from answers, certificates and configured weights: clusters, nodes and edges. No drawing.

import { SAMPLE, UNKNOWN, inOrder } from "./history.js";
import { sharesOf } from "./split.js";

const ACTIVE_MS = 10000; // an edge without an answer for so long is not active any more
const PROVEN_MS = 120000; // so long a certificate that was seen counts
export const MOST_CLUSTERS = 6;

// The cluster that an exported name means: `podinfo-east` is East's podinfo (lab/mesh/names.py).
export function clusterOfName(upstream, known) {
  const last = upstream.slice(upstream.indexOf("-") + 1);
  return upstream.includes("-") && (known.has(last) || /^podinfo-/.test(upstream)) && last !== "federated" ? last : null;
}

// The cluster that answered a request, as the identities on the wire say.
export function clusterOfIdentity({ client, gateway, server }, known, own) {
  const end = server ?? gateway ?? client;
  const domain = end?.trust_domain;
  if (!domain) return null;
  const first = domain.split(".")[0];
  if (known.has(first)) return first;
  if (client?.trust_domain === domain) return own;
  const others = [...known].filter((name) => name !== own);
  return others.length === 1 ? others[0] : null;
}

export function scene(histories, own, ingress) {
  const known = new Set([own]);
  for (const history of histories) {
    for (const name of history.clusters) if (name !== UNKNOWN) known.add(name);
    for (const name of sharesOf(history.configured).keys()) known.add(name);
  }
  for (const { upstream } of histories) {
    const target = clusterOfName(upstream, known);
    if (target) known.add(target);
  }
  const others = inOrder(known, own).filter((name) => name !== own).slice(0, MOST_CLUSTERS - 1);
  const names = histories.map((history) => nameOf(history, own, new Set([own, ...others])));
  // Names that lead out of the cluster come first: their edges go up.
  names.sort((a, b) => (a.target === own) - (b.target === own));
  return { own, ingress, others, names };
}

function nameOf(history, own, known) {
  const sample = history.sample();
  const target = clusterOfName(history.upstream, known) ?? own;
  const configured = history.configured?.state === "split" ? sharesOf(history.configured) : new Map();
  const latest = latestAnswers(history);
  const edges = [];
  for (const cluster of known) {
    const count = sample.by.get(cluster) ?? 0;
    const set = configured.get(cluster);
    const stale = !latest.has(cluster) || Date.now() - latest.get(cluster) > ACTIVE_MS;
    if (!count && set === undefined && !history.clusters.has(cluster)) continue;
    edges.push({ cluster, share: sample.size ? count / sample.size : 0, count, set, active: count > 0 && !stale, proof: proofOf(history, cluster) });
  }
  const failed = sample.lost - sample.refused;
  return {
    upstream: history.upstream,
    target,
    // `podinfo` may be answered by any cluster: then nobody knows who refused.
    isCertain: target !== own || known.size === 1 || !edges.some(({ cluster }) => cluster !== own),
    edges,
    size: sample.size,
    refused: sample.size ? sample.refused / sample.size : 0,
    failed: sample.size ? failed / sample.size : 0,
    refusedWords: lastWords(history, true),
    failedWords: lastWords(history, false),
  };
}

function latestAnswers(history) {
  const latest = new Map();
  for (const answer of history.last(100)) if (!answer.error) latest.set(answer.cluster, answer.at);
  return latest;
}

function lastWords(history, refused) {
  const found = history.last(SAMPLE).findLast((answer) => answer.error && answer.error.refused === refused);
  return found?.error.detail ?? "";
}

function proofOf(history, cluster) {
  const seen = history.identities.get(cluster);
  return seen && seen.identity.mtls && Date.now() - seen.at < PROVEN_MS ? seen.identity : null;
}

// The two ends as short names: service account at trust domain.
export function short(peer) {
  return peer.service_account ? `${peer.service_account}@${peer.trust_domain}` : peer.id;
}

// Whether requests to another cluster pass its gateway: always, unless nobody there ended or forwarded their TLS.
export function gatewayWords(proof) {
  if (!proof) return null;
  if (proof.gateway) return `through ${short(proof.gateway)}`;
  return proof.source === "x-forwarded-client-cert" ? "the gateway passes the encrypted connection through" : null;
}

export function percent(share) {
  const rounded = Math.round(100 * share);
  if (rounded === 0 && share > 0) return "< 1 %";
  if (rounded === 100 && share < 1) return "> 99 %";
  return `${rounded} %`;
}

// Shares as whole percents that add up to 100 (largest remainders): 50.5 and 49.5 are not 51 and 50.
export function percents(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0) || 1;
  const whole = counts.map((count) => Math.floor((100 * count) / total));
  const rest = counts.map((count, at) => ({ at, rest: (100 * count) / total - whole[at] })).sort((a, b) => b.rest - a.rest || a.at - b.at);
  const missing = counts.some(Boolean) ? 100 - whole.reduce((sum, one) => sum + one, 0) : 0;
  for (const { at } of rest.slice(0, missing)) whole[at] += 1;
  return whole.map((one, at) => (one === 0 && counts[at] ? "< 1 %" : one === 100 && counts[at] < total ? "> 99 %" : `${one} %`));
}

// Every edge as a sentence, with the identities that were proven: what the picture shows, for everybody.
export function sentences({ own, names }) {
  const found = [];
  for (const { upstream, target, isCertain, edges, size, refused, failed, refusedWords, failedWords } of names) {
    if (!size) found.push({ state: "idle", head: `${upstream}`, text: "no request yet" });
    for (const { cluster, share, set, active, proof } of edges) {
      const weight = set === undefined ? "" : ` (weight ${percent(set)})`;
      const head = `${upstream} → ${cluster}`;
      const measured = `${percent(share)}${weight}`;
      if (!active) found.push({ state: "idle", head, text: `${measured}, no answer in the last ${ACTIVE_MS / 1000} s` });
      else if (!proof) found.push({ state: "open", head, text: `${measured}, mTLS not proven` });
      else found.push({ state: "proven", head, text: measured, ends: ends(proof, cluster, own) });
    }
    if (refused) found.push({ state: "refused", head: isCertain ? `${upstream} → ${target}` : upstream, text: `${percent(refused)} refused by the mesh’s policy: ${refusedWords}` });
    if (failed) found.push({ state: "failed", head: upstream, text: `${percent(failed)} without an answer: ${failedWords}` });
  }
  return found;
}

function ends(proof, cluster, own) {
  const server = proof.server ? proof.server.id : proof.gateway ? `behind ${proof.gateway.id}` : "its identity is not in the headers of this mesh";
  const through = cluster !== own && proof.server ? gatewayWords(proof) : null;
  const far = proof.server ? short(proof.server) : proof.gateway ? short(proof.gateway) : "not named";
  return { client: proof.client.id, server, through, short: `${short(proof.client)} ⇄ ${far}` };
}
