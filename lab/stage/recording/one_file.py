"""Put a page with its style sheets and its modules into one HTML file, which needs no server.

Modules become `data:` URLs under names of an import map (WHATWG HTML, "Import maps"): a page that was opened from a
disk may not load modules from there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_IMPORT = re.compile(r"""(?P<head>\b(?:from|import)\s*)(?P<quote>["'])(?P<target>\.{1,2}/[^"'\n]+)(?P=quote)""")
_STYLE = re.compile(r"""<link rel="stylesheet" href="/static/([^"]+)">""")
_ICON = re.compile(r"""<link rel="icon" href="/static/([^"]+)" type="([^"]+)">""")
_MODULE = re.compile(r"""<script type="module" src="/static/([^"]+)"></script>""")
_CLASSIC = re.compile(r"""<script( nomodule)? src="/static/([^"]+)"></script>""")
_NOSCRIPT = re.compile(r"<noscript>.*?</noscript>", re.DOTALL)
_HEAD = re.compile(r"<head[^>]*>")
_LEFT = re.compile(r"""(?:src|href)="/[^"]*\"""")


@dataclass(frozen=True, kw_only=True)
class WebFolder:
    """A folder of static files; `name` begins the names of its modules. `replaced` is text that scripts get instead."""

    path: Path
    name: str
    replaced: Mapping[str, str]

    def text(self, file: str) -> str:
        """Return a file's text."""
        return (self.path / file).read_text(encoding="utf-8")

    def script(self, file: str) -> str:
        """Return a script's text, with what is replaced in scripts of this folder."""
        text = self.text(file)
        for before, after in self.replaced.items():
            text = text.replace(before, after)
        return text

    def page(self, file: str, *, head: str, without_noscript: bool = False) -> str:
        """Return a page with everything that it loads.

        Args:
            file: the page.
            head: markup that comes first in its head.
            without_noscript: leave out what is shown without scripts.

        Raises:
            ValueError: the page loads something in a way that this module does not know.
        """
        html = self.text(file)
        if without_noscript:
            html = _NOSCRIPT.sub("", html)
        entries = _MODULE.findall(html)
        html = _STYLE.sub(lambda match: f"<style>{_inside('style', self.text(match[1]))}</style>", html)
        html = _ICON.sub(lambda match: f'<link rel="icon" href="{_data_url(self.text(match[1]), match[2])}">', html)
        html = _CLASSIC.sub(
            lambda match: f"<script{match[1] or ''}>{_inside('script', self.script(match[2]))}</script>", html
        )
        html = _MODULE.sub("", html)
        imports = "".join(f"import {json.dumps(self._name(entry))};" for entry in entries)
        modules = f'{self._import_map(entries)}<script type="module">{imports}</script>'
        html = html.replace("</head>", f"{modules}</head>", 1)
        if left := _LEFT.search(html):
            raise ValueError(f"{file} loads {left[0]}")
        return _HEAD.sub(lambda match: match[0] + head, html, count=1)

    def _import_map(self, entries: list[str]) -> str:
        sources = dict(self._modules(entries))
        imports = {self._name(file): _data_url(source, "text/javascript") for file, source in sources.items()}
        return f'<script type="importmap">{json.dumps({"imports": imports})}</script>'

    def _modules(self, entries: list[str]) -> Iterator[tuple[str, str]]:
        """Yield each module that is needed, with names of the import map in place of the paths that it imports."""
        waiting, known = list(entries), set(entries)
        while waiting:
            file = waiting.pop(0)

            def renamed(match: re.Match[str], file: str = file) -> str:
                target = _joined(file, match["target"])
                if target not in known:
                    known.add(target)
                    waiting.append(target)
                return f"{match['head']}{match['quote']}{self._name(target)}{match['quote']}"

            yield file, _IMPORT.sub(renamed, self.script(file))

    def _name(self, file: str) -> str:
        return f"{self.name}/{file}"


def _joined(file: str, target: str) -> str:
    """Return the path of a module that another one imports; both are relative to the folder."""
    parts = list(PurePosixPath(file).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _data_url(text: str, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


def _inside(element: str, text: str) -> str:
    """Return text that does not end its element.

    Raises:
        ValueError: it would.
    """
    if f"</{element}" in text.lower():
        raise ValueError(f"the text has </{element}")
    return text


def inline_script(text: str) -> str:
    """Return a script as an element of a page.

    Raises:
        ValueError: the script has the end of a script element.
    """
    return f"<script>{_inside('script', text)}</script>"
