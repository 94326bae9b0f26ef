// The lab's page in a frame, or what to do if there is none.

import { attr, h, prose, show, text } from "../dom.js";
import { icon } from "../icons.js";
import { theme } from "../model/settings.js";

const NONE = "West's page does not answer.";
const DO = "Run `lab status`; if the lab is down, `lab up`. The page comes by itself.";

const NARROW = 900; // as in audience.css
const PAGE_REM = 17; // where the page has its own size: its letters are nearly as large as the stage's

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

// The page does not know the size of the screen around it: it grows with the stage.
export function frame(root, { store }) {
  const view = h("iframe", { title: "The lab's page: who answers", referrerpolicy: "no-referrer", allow: "", sandbox: "allow-scripts allow-same-origin allow-forms" });
  const problem = h("b");
  const todo = h("p");
  prose(todo, DO);
  const missing = h("div", { class: "missing", role: "status", hidden: true }, problem, todo);
  const back = h("button", { type: "button", class: "back", hidden: true, onclick: () => view.blur() }, icon("keyboard"), "Keys go to the page. Press here: back to the stage");
  root.append(view, missing, back);
  // Only the frame's owner sees that the keys have gone into it.
  addEventListener("blur", () => show(back, document.activeElement === view));
  addEventListener("focus", () => show(back, false));
  const scale = () => root.style.setProperty("--scale", innerWidth > NARROW ? rem() / PAGE_REM : 1);
  addEventListener("resize", scale);
  scale();
  let shown = "";
  const update = ({ state }) => {
    if (!state) return;
    const { url, problem: words } = state.page ?? {};
    const here = Boolean(url) && !words;
    text(problem, words || NONE);
    show(missing, !here);
    show(view, here);
    const address = here ? withTheme(new URL(url)) : "";
    if (address === shown) return;
    shown = address;
    if (here) attr(view, "src", address);
    else view.removeAttribute("src"); // a page that comes back is loaded again
  };
  store.watch(update);
  addEventListener("stage-theme", () => update(store));
}

// The page follows the system by itself.
function withTheme(url) {
  if (theme() !== "system") url.searchParams.set("theme", theme());
  return url.href;
}
