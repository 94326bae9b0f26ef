"""axe-core on a screen: what it finds that keeps people from using it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-core is in the extra `browser`")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SIZES = [(390, 844), (1280, 720), (3840, 2160)]
LOOKS = [(width, height, scheme) for width, height in SIZES for scheme in ("light", "dark")]
looks = pytest.mark.parametrize(("width", "height", "scheme"), LOOKS, ids=str)


def findings(page: Any) -> list[Any]:
    """Return the serious findings in a page's own document; the page in the frame has tests of its own.

    The page's context needs `bypass_csp`.
    """
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
    return [
        (one["impact"], one["id"], [node["target"] for node in one["nodes"]][:3])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def overflows(page: Any) -> bool:
    """Whether a page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
