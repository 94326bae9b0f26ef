// The objects of one cluster, live: what appears, changes and disappears is marked as such.

import { attr, h, list, show, text } from "../dom.js";
import { timeOfDay } from "../model/select.js";

const APPLICATIONS = "test"; // the namespace of the lab's applications
const EVENTS = 4;
const CHANGES = { new: "new", gone: "gone", changed: "changed" };

export function panel(root, cluster, { store }) {
  const problem = h("p", { class: "problem", hidden: true });
  const sections = SECTIONS.map((section) => {
    const items = h("ul");
    const element = h("section", { "data-of": section.of, hidden: true }, h("h3", {}, section.title), items);
    return { ...section, element, items };
  });
  const empty = h("p", { class: "empty" }, "No objects yet.");
  root.append(problem, empty, ...sections.map(({ element }) => element));
  store.watch(({ panels, lost }) => {
    const known = panels.get(cluster);
    const words = lost.get(cluster) ?? known?.problem ?? "";
    text(problem, words);
    show(problem, Boolean(words));
    attr(root, "data-stale", Boolean(words) || known?.reachable === false);
    show(empty, !known && !words);
    for (const { rows, element, items } of sections) {
      const found = known ? rows(known) : [];
      show(element, found.length > 0);
      list(items, found, { key: ({ key }) => key, make, update });
    }
  });
}

// The applications before the mesh's own namespaces.
function ownFirst(rows) {
  const rank = ({ namespace }) => (namespace === APPLICATIONS ? 0 : 1);
  return [...rows].sort((one, other) => rank(one) - rank(other));
}

function make() {
  const parts = { name: h("span", { class: "name" }), detail: h("span", { class: "detail" }), change: h("small", { class: "change" }) };
  const item = h("li", {}, h("i", { class: "sign", "aria-hidden": "true" }), parts.name, parts.detail, parts.change);
  item.parts = parts;
  return item;
}

function update(item, { name, detail = "", sign, change, title }) {
  const { parts } = item;
  text(parts.name, name);
  text(parts.detail, detail);
  text(parts.change, CHANGES[change] ?? "");
  attr(item, "data-sign", sign);
  attr(item, "data-change", change);
  attr(item, "title", title ?? name);
}

// "podinfo-7d9c5b8f6d-x2k4p" as "podinfo …x2k4p": what differs stays readable.
function shortName(name) {
  return name.replace(/-[0-9a-f]{6,10}-([0-9a-z]{5})$/, " …$1");
}

function whole(ready) {
  const [some, all] = String(ready).split("/");
  return some === all && some !== "0";
}

const SECTIONS = [
  {
    of: "pods",
    title: "Pods",
    rows: ({ pods = [] }) =>
      ownFirst(pods).map((pod) => ({
        key: `${pod.namespace}/${pod.name}`,
        name: shortName(pod.name),
        detail: [pod.phase === "Running" ? pod.ready : pod.phase, pod.restarts ? `${pod.restarts} restarts` : ""].filter(Boolean).join(", "),
        sign: pod.change === "gone" ? "gone" : whole(pod.ready) && pod.node_ready !== false ? "good" : "bad",
        change: pod.change,
        title: `${pod.name} in ${pod.namespace}: ${pod.ready} ready, ${pod.phase}${pod.node_ready === false ? ", its node is not ready" : ""}`,
      })),
  },
  {
    of: "services",
    title: "Services",
    rows: ({ services = [] }) =>
      ownFirst(services).map(({ name, namespace, type, address, ports, ready, mirror_of: source, change }) => ({
        key: `${namespace}/${name}`,
        name,
        detail: [source ? `from ${source}` : "", ready && !whole(ready) ? `${ready} ready` : ""].filter(Boolean).join(", "),
        sign: source ? "mirror" : "plain",
        change,
        title: `${name}: ${type} ${address ?? ""} ${[ports].flat().join(", ")}${source ? `, mirror of ${source}'s` : ""}`,
      })),
  },
  {
    of: "links",
    title: "Gateways and links",
    rows: ({ gateways = [], links = [] }) => [
      ...gateways.map(({ name, address, ready, words, change }) => ({
        key: `gateway/${name}`,
        name,
        detail: ready ? address : words || "not ready",
        sign: ready ? "good" : "bad",
        change,
        title: `${name}: ${[address, words].filter(Boolean).join(", ")}`,
      })),
      ...links.map(({ to, ok, words, change }) => ({ key: `link/${to}`, name: `link to ${to}`, detail: words, sign: ok ? "good" : "bad", change, title: words })),
    ],
  },
  {
    of: "policies",
    title: "Routes and policies",
    rows: ({ policies = [] }) =>
      policies.map(({ group, kind, name, namespace, words, change }) => ({ key: `${kind}.${group}/${namespace}/${name}`, name, detail: words, sign: "plain", change, title: `${kind} ${name}: ${words}` })),
  },
  {
    of: "events",
    title: "Events",
    rows: ({ events = [] }) =>
      events
        .slice(0, EVENTS)
        .map(({ at, kind, object, reason, message, warning }) => ({
          key: `${at}/${object}/${reason}`,
          name: reason,
          detail: shortName(object),
          sign: warning ? "bad" : "plain",
          title: `${at ? timeOfDay(at) : ""} ${kind} ${object}: ${message}`,
        })),
  },
];
