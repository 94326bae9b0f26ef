// The last requests one by one, and the edges of the topology as sentences.

import { clusters, textOn } from "./colours.js";
import { byId, element, fill, ms, setText } from "./dom.js";
import { clusterOf } from "./history.js";
import { shapeIcon, kindOf } from "./shapes.js";

const ROWS = 6;

export function showRequests(histories) {
  const latest = histories.flatMap((history) => history.last(ROWS).map((answer) => ({ answer, upstream: history.upstream })));
  latest.sort((a, b) => b.answer.at - a.answer.at);
  const table = byId("requests");
  fill(table, ROWS, () => {
    const row = element("tr");
    for (let at = 0; at < 6; at += 1) row.append(element("td", at === 5 ? "number" : ""));
    row.children[2].append(element("span", "badge"), element("span"));
    return row;
  });
  [...table.children].forEach((row, at) => showRequest(row, latest[at]));
}

function showRequest(row, found) {
  const [sent, to, by, pod, version, latency] = row.children;
  const [badge, name] = by.children;
  const answer = found?.answer;
  const kind = answer && kindOf(answer);
  row.className = kind ? (kind === "refused" ? "refused" : "failed") : "";
  setText(sent, answer ? answer.sent_at.slice(11, 23) : "");
  setText(to, found?.upstream ?? "");
  setText(name, !answer ? "" : kind ? (kind === "refused" ? "refused" : "lost") : clusterOf(answer));
  setText(pod, !answer ? "" : kind ? answer.error.detail : answer.pod);
  pod.title = pod.textContent;
  setText(version, answer?.version ?? "");
  setText(latency, answer ? ms(answer.latency_ms) : "");
  badge.hidden = !answer;
  if (kind) {
    if (badge.dataset.kind !== kind) badge.replaceChildren(shapeIcon(kind));
    badge.dataset.kind = kind;
  } else if (answer) {
    delete badge.dataset.kind;
    const colour = clusters.colour(clusterOf(answer));
    badge.style.setProperty("--of", colour);
    badge.style.setProperty("--on", textOn(colour));
    setText(badge, clusters.letter(clusterOf(answer)));
  }
}

export function showEdges(sentences) {
  const list = byId("edges");
  fill(list, sentences.length, () => {
    const item = element("li");
    item.append(element("b"), element("span"), element("span", "ends short"), element("span", "ends full"));
    return item;
  });
  sentences.forEach(({ state, head, text, ends }, at) => {
    const item = list.children[at];
    item.dataset.state = state;
    setText(item.children[0], head);
    setText(item.children[1], state === "proven" ? `${text}, mTLS proven` : text);
    setText(item.children[2], ends?.short ?? "");
    setText(item.children[3], ends ? `${ends.client} ⇄ ${ends.server}${ends.through ? `; ${ends.through}` : ""}` : "");
  });
}
