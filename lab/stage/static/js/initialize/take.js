// The folder to take home: the command that writes it, and the same folder as a file.

import { attr, h, show, text } from "../dom.js";
import { icon } from "../icons.js";

const KINDS = [
  { suffix: ".zip", label: "Folder as .zip", key: "D" },
  { suffix: ".tar.gz", label: "as .tar.gz" },
  { name: "initializer.toml", label: "initializer.toml" },
];

// Returns {copy, download} for the keys.
export function take(root, store, say) {
  const command = h("code", { class: "command", tabindex: "0", "aria-label": "Command" });
  const copy = async () => {
    if (!store.shown) return;
    try {
      await navigator.clipboard.writeText(store.shown.command);
      say("The command is copied.");
    } catch {
      getSelection().selectAllChildren(command); // the clipboard is blocked: then Ctrl-C copies it
      say("The browser refuses to copy. The command is selected: press Ctrl-C.");
    }
  };
  const button = h("button", { type: "button", class: "primary", title: "Key: C", onclick: copy }, "Copy");
  const links = KINDS.map(({ suffix, name, label, key }) => {
    const file = name ?? `${store.options.folder}${suffix}`;
    return { file, link: h("a", { class: "control", download: file, title: key && `Key: ${key}`, "data-download": file }, h("b", {}, label)) };
  });
  const why = h("p", { class: "why" });
  root.append(
    h("h2", {}, "Take it home"),
    h("div", { class: "line" }, command, button),
    h("div", { class: "downloads" }, ...links.map(({ link }) => link)),
    why,
  );
  store.watch(({ shown }) => {
    if (command.textContent !== shown.command) command.replaceChildren(...wordsOf(shown.command));
    const ready = Boolean(shown.files);
    for (const { file, link } of links) {
      attr(link, "href", ready ? `/api/initialize/download/${file}?${shown.query}` : null);
      attr(link, "aria-disabled", ready ? null : "true");
      attr(link, "role", ready ? null : "link");
    }
    text(why, ready ? "" : shown.coming.length ? "The files are not there yet." : "There is no folder of an impossible combination.");
    show(why, !ready);
  });
  return { copy, download: () => links[0].link.hasAttribute("href") && links[0].link.click() };
}

// A flag stays on one line with its value, and the text that a person copies has all spaces.
function wordsOf(command) {
  const parts = command.split(/ (?=--)/);
  return parts.flatMap((part, at) => [at ? " " : null, h("span", {}, part)]).filter(Boolean);
}
