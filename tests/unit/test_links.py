"""Every relative link of every document leads to a file, and every `#fragment` to a heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.base.paths import PROJECT

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def documents() -> list[str]:
    files = [*PROJECT.glob("*.md")]
    for room in ("lab", "scenarios", "apps", "bench", "soak", "docs", "tests"):
        files += (PROJECT / room).rglob("*.md")
    return sorted(str(file.relative_to(PROJECT)) for file in files)


def anchors(file: Path) -> set[str]:
    """Return the fragments of a document's headings, as GitHub makes them."""
    text = _FENCE.sub("", file.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", documents())
def test_links_lead_somewhere(name: str) -> None:
    file = PROJECT / name
    broken = []
    for link in _LINK.findall(_FENCE.sub("", file.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []
