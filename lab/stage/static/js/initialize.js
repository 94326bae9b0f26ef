// The initializer put together: choices on one side, the folder that they give on the other.

import { h, prose, show } from "./dom.js";
import { icon } from "./icons.js";
import { Categories } from "./initialize/categories.js";
import { Files } from "./initialize/files.js";
import { listenToKeys, openHelp } from "./initialize/keys.js";
import { Problems } from "./initialize/problems.js";
import { Store } from "./initialize/store.js";
import { take } from "./initialize/take.js";
import { applyZoom, watchTheme } from "./model/settings.js";
import { get } from "./net/api.js";
import { openSession } from "./net/session.js";

const SAID_MS = 5_000;
const byId = (id) => document.getElementById(id);

applyZoom();
watchTheme();
byId("help").append(h("span", { class: "unseen" }, "Keys and colours"), icon("keyboard"));

// A short message for some seconds; it is also read out.
const said = h("p", { class: "said", role: "status", hidden: true });
byId("notices").append(said);
let timer = 0;
function say(words) {
  clearTimeout(timer);
  prose(said, words);
  show(said, true);
  timer = setTimeout(() => show(said, false), SAID_MS);
}

function stop(words) {
  const box = h("div", {}, h("h1", {}, "The initializer cannot start here"), h("p", {}, words));
  byId("notices").append(h("section", { class: "stop", role: "alert" }, box));
}

async function begin() {
  await openSession();
  const options = await get("/api/initialize/options");
  const store = new Store(options);
  const categories = new Categories(byId("categories"), byId("questions"), store);
  new Problems(byId("problems"), store);
  const taking = take(byId("take"), store, say);
  const files = new Files(byId("files"), store);
  wires(byId("wires"), store);
  const help = () => openHelp(options);
  byId("help").addEventListener("click", help);
  listenToKeys({ categories, files, taking, help });
  addEventListener("popstate", () => store.open(location.search));
  await store.open(location.search);
}

function wires(root, store) {
  const listed = h("ul");
  const none = h("p", { class: "empty" }, "Nothing is wired yet: choose two components that belong together.");
  const lead = h("p", { class: "lead" });
  prose(lead, "Each has a check: `lab initialize verify`.");
  root.append(h("h2", {}, "Wired together"), lead, listed, none);
  store.watch(({ shown }) => {
    const found = Object.entries(shown.wires);
    listed.replaceChildren(...found.map(([id, says]) => h("li", { "data-wire": id }, icon("link"), h("span", {}, says))));
    show(listed, found.length > 0);
    show(none, found.length === 0);
  });
}

try {
  await begin();
} catch (error) {
  stop(error.status === 0 ? "The initializer does not answer. Check whether its command still runs, and load the page again." : (error.words ?? String(error)));
}
byId("starting").remove();
document.body.dataset.ready = "";
