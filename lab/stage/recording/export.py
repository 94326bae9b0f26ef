"""Export a recording as one HTML file that plays without a server and without a network, such as from a USB stick.

It has the stage's own screen and the lab's own page, and a small player in place of the server. Its policy forbids
every connection.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from lab.base.errors import UsageError
from lab.base.files import write_atomic
from lab.base.names import Json
from lab.stage.app import STATIC
from lab.stage.recording import delta
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.one_file import WebFolder, inline_script
from lab.stage.recording.routes import FRONTEND, SHIM, upstreams_document
from lab.stage.recording.tape import Happening, Tape

LIMIT = 48 << 20
"""Bytes of an exported file; browsers open it within seconds."""
_PLAYER = SHIM.with_name("player.js")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
_SEARCH = {"location.search": "(globalThis.replaySearch ?? location.search)"}
"""A frame without an address has no query: the player gives it."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was exported: the file, its size, and what it contains."""

    file: Path
    size: int
    contents: str


def export(tape: Tape, file: Path, *, static: Path = STATIC, frontend: Path = FRONTEND) -> Exported:
    """Write a recording as one HTML file, readable by its owner only.

    Args:
        tape: the recording.
        file: the file to write; its folder must exist.
        static: the stage's screens.
        frontend: the lab's page.

    Raises:
        UsageError: the file would be too large, or its folder does not exist.
    """
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", where="--export", next="an existing folder")
    if file.is_dir():
        raise UsageError("is a folder", where=f"--export {file}", next=f"--export {file / 'replay.html'}")
    data = document(tape, page_html=_page(frontend))
    packed = base64.b64encode(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), mtime=0)).decode()
    words = contents(tape)
    head = "".join(
        (
            f'<meta http-equiv="content-security-policy" content="{_POLICY}">',
            f'<meta name="description" content="{escape(words)}">',
            _licences(static),
            f'<script type="text/plain" id="recording">{packed}</script>',
            inline_script(_PLAYER.read_text(encoding="utf-8")),
        )
    )
    page = WebFolder(path=static, name="stage", replaced={}).page("index.html", head=head)
    page = re.sub(r"<title>[^<]*</title>", f"<title>{escape(title(tape.manifest))}</title>", page, count=1)
    if (size := len(page.encode())) > LIMIT:
        raise UsageError(
            f"the file would have {size >> 20} MiB, more than {LIMIT >> 20} MiB",
            where=f"--export {file}",
            next=f"lab stage --replay {tape.manifest.id}",
        )
    write_atomic(file, page)
    return Exported(file=file, size=size, contents=words)


def title(manifest: Manifest) -> str:
    """Return the title of an exported file."""
    return f"Replay of {manifest.id} · East/West lab"


def contents(tape: Tape) -> str:
    """Say what a recording contains, in a sentence."""
    manifest = tape.manifest
    when = datetime.fromtimestamp(manifest.began_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    requests = sum(event.name == "answer" for event in tape.page.events)
    ran = (manifest.steps or {}).get("ran")
    parts = [
        f"recording {manifest.id} of the lab {manifest.lab} ({manifest.title}), {when}",
        f"{tape.length_s / 60:.1f} minutes",
        *([f"{ran} steps"] if ran is not None else []),
        f"consoles {', '.join(tape.consoles) or 'none'}",
        f"{requests:,} requests",
        f"recorded by lab {manifest.lab_version}",
    ]
    return "; ".join([*parts, *tape.problems])


def document(tape: Tape, *, page_html: str) -> Json:
    """Return what the player plays."""
    manifest = tape.manifest
    return {
        "id": manifest.id,
        "began_at": manifest.began_at,
        "length_s": round(tape.length_s, 3),
        "problems": list(tape.problems),
        "events": _events(tape.events.events),
        "consoles": {
            name: {"size": one.size, "events": [[e.at_s, e.kind, e.data] for e in one.timeline.events]}
            for name, one in tape.consoles.items()
        },
        "page": {
            "html": page_html,
            "query": urlsplit(manifest.page_url).query,
            "ingress": manifest.ingress,
            "info": dict(manifest.frontend or {}),
            "upstreams": upstreams_document(tape),
            "events": [[e.at_s, e.at, e.upstream, e.name, e.text] for e in tape.page.events],
        },
    }


def _events(events: Sequence[Happening]) -> list[Json]:
    """Return events with states and panels as changes, which the player puts together again."""
    last: dict[str, Json] = {}
    found: list[Json] = []
    for event in events:
        if event.name not in {"state", "panel"}:
            found.append([event.at_s, event.name, event.data])
            continue
        key = "state" if event.name == "state" else str(event.data.get("cluster"))
        found.append([event.at_s, event.name, {"of": key, "changes": delta.changes(last.get(key), event.data)}])
        last[key] = event.data
    return found


def _page(frontend: Path) -> str:
    folder = WebFolder(path=frontend, name="page", replaced=_SEARCH)
    return folder.page("index.html", head=inline_script(SHIM.read_text(encoding="utf-8")), without_noscript=True)


def _licences(static: Path) -> str:
    """Return the licences of the libraries in the file, which travel with them."""
    texts = [
        f"{file.parent.name}\n{file.read_text(encoding='utf-8').strip()}"
        for file in sorted((static / "vendor").glob("*/LICENSE"))
    ]
    joined = "\n\n".join(texts).replace("--", "- -")
    return f"<!--\nLibraries in this file:\n\n{joined}\n-->" if texts else ""
