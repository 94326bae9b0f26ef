"""axe-core on a screen: what it finds that keeps people from using it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pytest

pytest.importorskip("axe_playwright_python", reason="axe-core is in the extra `browser`")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Look:
    """A window's size and colours."""

    width: int
    height: int
    scheme: str

    @property
    def options(self) -> dict[str, Any]:
        """What a browser's context needs for it, and for axe."""
        size = {"width": self.width, "height": self.height}
        return {"viewport": size, "color_scheme": self.scheme, "bypass_csp": True}

    def __str__(self) -> str:
        return f"{self.width}x{self.height}-{self.scheme}"


def in_sizes(*sizes: tuple[int, int]) -> Any:
    """Return what gives a test each `look` of these sizes."""
    return pytest.mark.parametrize("look", [Look(*size, way) for size in sizes for way in ("light", "dark")], ids=str)


looks = in_sizes((390, 844), (1280, 720), (3840, 2160))


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
