// What is read beside the streams: identities and configured weights.

import { getJson } from "./api.js";
import { clusterOfIdentity } from "./scene.js";

export async function readIdentities(histories, own) {
  await Promise.all(histories.map((history) => readIdentity(history, own)));
}

async function readIdentity(history, own) {
  if (!history.total || history.nth(history.total - 1).error) return; // it would only fail as well
  try {
    const { identity } = await getJson(`/api/identity?${new URLSearchParams({ upstream: history.upstream })}`);
    const cluster = clusterOfIdentity(identity, history.clusters, own);
    if (cluster) history.identity(cluster, identity);
  } catch {
    // A lock stays only as long as its proof is fresh.
  }
}

export async function readWeights(histories) {
  await Promise.all(histories.map(async (history) => {
    try {
      history.split(await getJson(`/api/split?${new URLSearchParams({ upstream: history.upstream })}`));
    } catch {
      // The stream's state tells that the frontend is away.
    }
  }));
}

// Proxies put their name on answers; the frontend itself puts none.
export async function readInfo() {
  const response = await fetch("/api/info", { cache: "no-store" });
  const { cluster } = await response.json();
  const ingress = /envoy/i.test(response.headers.get("server") ?? "") || response.headers.has("x-envoy-upstream-service-time");
  return { cluster, ingress };
}
