"""The exported file: one file, bounded, without anything from elsewhere; it says what it contains."""

from __future__ import annotations

import base64
import gzip
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.stage.recording import delta, export
from lab.stage.recording.export import Exported
from lab.stage.recording.one_file import WebFolder, inline_script
from lab.stage.recording.reader import read
from lab.stage.recording.tape import Tape
from tests.unit.stage.recording.kit import presentation


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return read(presentation(tmp_path_factory.mktemp("runs") / "run", upstreams=("podinfo", "podinfo-east")))


@pytest.fixture(scope="module")
def exported(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export.export(tape, tmp_path_factory.mktemp("export") / "replay.html")


@pytest.fixture(scope="module")
def html(exported: Exported) -> str:
    return exported.file.read_text(encoding="utf-8")


def recording(html: str) -> Any:
    packed = html.split('id="recording">')[1].split("<", maxsplit=1)[0]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_it_is_one_file_of_its_owner_and_says_what_it_contains(exported: Exported, html: str) -> None:
    assert stat.S_IMODE(exported.file.stat().st_mode) == 0o600
    assert exported.size == exported.file.stat().st_size < export.LIMIT
    assert "<title>Replay of run · East/West lab</title>" in html
    words = "recording run of the lab eastwest (Istio on both sides), "
    assert words in exported.contents
    assert "0.3 minutes; 2 steps; consoles east, west, west-2; 34 requests; recorded by lab 0.1.0" in exported.contents
    assert f'<meta name="description" content="{words}' in html


def test_it_loads_nothing_and_its_policy_forbids_to(html: str) -> None:
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*["']""", html) == []
    policy = html.split('http-equiv="content-security-policy" content="')[1].split('"', maxsplit=1)[0]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert html.index("content-security-policy") < html.index("<script")
    page = recording(html)["page"]["html"]
    assert re.findall(r"""(?:src|href)=["'](?!data:|#|\?)[^"']*["']""", page) == []


def test_every_module_of_both_screens_is_in_it_under_its_name(html: str) -> None:
    for document, prefix in ((html, "stage/"), (recording(html)["page"]["html"], "page/")):
        imports = json.loads(document.split('<script type="importmap">')[1].split("</script>")[0])["imports"]
        assert len(imports) > 10
        assert all(name.startswith(prefix) for name in imports)
        sources = {name: base64.b64decode(url.split(",", 1)[1]).decode() for name, url in imports.items()}
        for source in sources.values():
            wanted = re.findall(r"""^(?:import|export) [^'"]*from ["']([^"']+)["']""", source, re.MULTILINE)
            assert [name for name in wanted if name not in imports] == []


def test_the_page_gets_its_query_from_the_player(html: str) -> None:
    imports = json.loads(recording(html)["page"]["html"].split('<script type="importmap">')[1].split("</script>")[0])
    sources = [base64.b64decode(url.split(",", 1)[1]).decode() for url in imports["imports"].values()]
    assert any("(globalThis.replaySearch ?? location.search)" in source for source in sources)
    assert not any(re.search(r"(?<!\?\? )location\.search", source) for source in sources)


def test_it_has_the_licences_of_the_libraries(html: str) -> None:
    assert "xterm-6.0.0\nCopyright (c)" in html
    assert html.index("addon-fit-0.11.0\nCopyright (c)") < html.index("Permission is hereby granted")


def test_the_recording_is_whole(html: str, tape: Tape) -> None:
    found = recording(html)
    last: dict[str, Any] = {}
    for (at_s, name, data), event in zip(found["events"], tape.events.events, strict=True):
        whole = data
        if name in {"state", "panel"}:
            whole = last[data["of"]] = delta.apply(last.get(data["of"]), data["changes"])
        assert (at_s, name, whole) == (event.at_s, event.name, event.data)
    assert len(found["page"]["events"]) == len(tape.page.events)
    assert (found["length_s"], found["began_at"]) == (tape.length_s, tape.manifest.began_at)
    assert found["page"]["query"] == "view=stage&upstream=podinfo&upstream=podinfo-east"
    assert [one["default"] for one in found["page"]["upstreams"]["upstreams"]] == [True, False]
    assert found["consoles"]["east"]["size"] == [80, 24]


def test_what_is_missing_from_a_recording_is_said(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run", ends=False)
    (folder / "consoles" / "west.cast").unlink()
    done = export.export(read(folder), tmp_path / "replay.html")
    assert "consoles east, west-2;" in done.contents
    assert done.contents.endswith("what is written so far is played")
    problems = recording(done.file.read_text())["problems"]
    assert problems == ["the stage still runs, or was killed: what is written so far is played"]


def test_text_of_a_recording_never_becomes_markup(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    document = json.loads((folder / "stage.json").read_text())
    evil = '"><script>alert(1)</script><!--'
    (folder / "stage.json").write_text(json.dumps({**document, "id": evil, "title": evil, "lab": evil}))
    html = export.export(read(folder), tmp_path / "replay.html").file.read_text()
    assert "<script>alert" not in html


def test_a_file_that_would_be_too_large_is_refused(tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LIMIT", 1 << 10)
    with pytest.raises(UsageError, match="the file would have 0 MiB, more than 0 MiB"):
        export.export(tape, tmp_path / "replay.html")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tape: Tape, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        export.export(tape, tmp_path / "missing" / "replay.html")
    with pytest.raises(UsageError, match="is a folder"):
        export.export(tape, tmp_path)


def web(folder: Path, files: Mapping[str, str], **replaced: str) -> WebFolder:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return WebFolder(path=folder, name="x", replaced=replaced)


def test_modules_are_found_through_folders_and_circles(tmp_path: Path) -> None:
    files = {
        "p.html": '<html><head><script type="module" src="/static/js/a.js"></script></head><body>hi</body></html>',
        "js/a.js": 'import { b } from "./ui/b.js";\nexport const a = 1;',
        "js/ui/b.js": "import { a } from '../a.js';\nimport \"../../lib/c.mjs\";\nexport const b = a;",
        "lib/c.mjs": 'const text = "from ./nothing";',
        "js/unused.js": "",
    }
    html = web(tmp_path, files).page("p.html", head="<meta>")
    imports = json.loads(html.split('importmap">')[1].split("</script>")[0])["imports"]
    assert list(imports) == ["x/js/a.js", "x/js/ui/b.js", "x/lib/c.mjs"]
    b = base64.b64decode(imports["x/js/ui/b.js"].split(",")[1]).decode()
    assert b == "import { a } from 'x/js/a.js';\nimport \"x/lib/c.mjs\";\nexport const b = a;"
    assert html.startswith("<html><head><meta>")
    assert '<script type="module">import "x/js/a.js";</script></head>' in html


@pytest.mark.parametrize(
    "head",
    ['<script src="/elsewhere.js"></script>', '<link rel="preload" href="/static/x">', '<img src="/static/x.png">'],
)
def test_a_page_that_loads_in_an_unknown_way_is_refused(tmp_path: Path, head: str) -> None:
    folder = web(tmp_path, {"p.html": f"<html><head>{head}</head></html>"})
    with pytest.raises(ValueError, match=r"p\.html loads"):
        folder.page("p.html", head="")


def test_text_that_would_end_its_element_is_refused(tmp_path: Path) -> None:
    files = {"p.html": '<head><link rel="stylesheet" href="/static/a.css"></head>', "a.css": "</STYLE><script>"}
    with pytest.raises(ValueError, match="</style"):
        web(tmp_path, files).page("p.html", head="")
    with pytest.raises(ValueError, match="</script"):
        inline_script("'</script>'")
