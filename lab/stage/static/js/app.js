// What both screens share: the store, the connection, and the places where problems are shown.

import { Actions } from "./model/actions.js";
import { applyZoom, watchTheme } from "./model/settings.js";
import { Store } from "./model/store.js";
import { Connection } from "./net/connection.js";
import { Notices } from "./ui/notices.js";

const TICK_MS = 1000;

// Returns {store, actions, notices, ticks}; `ticks(show)` calls show(store) each second, for clocks.
export function begin() {
  applyZoom();
  watchTheme();
  const store = new Store();
  const notices = new Notices(document.getElementById("notices"), store);
  const actions = new Actions(store, (words) => notices.say(words));
  const connection = new Connection({
    event: (name, data) => store.event(name, data),
    change: (kind, words) => store.connect(kind, words),
  });
  store.watch(({ state }) => state && (document.body.dataset.mode = state.mode));
  document.getElementById("starting").remove();
  document.body.dataset.ready = "";
  connection.start();
  const ticks = (show) => setInterval(() => store.state && show(store), TICK_MS);
  return { store, actions, notices, connection, ticks };
}
