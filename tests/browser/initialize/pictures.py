"""Take pictures of the initializer's page: `python -m tests.browser.initialize.pictures FOLDER [STATE…]`.

Without a state, all are taken. They are for people to look at. The YAML comes from this machine's store.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.stage.initializer.run import on_page, previews
from tests.browser.initialize.kit import InitializerPage

SIZES = {"phone": (390, 844), "small": (1280, 800), "full": (1920, 1080)}
FULL = (
    "mesh=istio&ingress=istio-gateway&authentication=oauth2-proxy,oidc-provider"
    "&observability=metrics-server,prometheus,otel-collector&delivery=flux&serverless=keda&apps=podinfo,frontend"
)
_WAIT_MS = 300_000


def _start(page: InitializerPage) -> None:
    page.open()
    page.loaded()


def _full(page: InitializerPage) -> None:
    page.open(FULL)
    page.loaded()


def _changed(page: InitializerPage) -> None:
    _full(page)
    page.choose("platform", "gke")
    page.loaded()


def _refused(page: InitializerPage) -> None:
    _full(page)
    page.press("4")


def _impossible(page: InitializerPage) -> None:
    page.open("mesh=none&ingress=istio-gateway&serverless=keda")


def _wrong(page: InitializerPage) -> None:
    page.open("mesh=linkered")


def _output(page: InitializerPage) -> None:
    _full(page)
    page.page.locator("#registry").fill("https://x")
    page.sees("#registry-problem", "is not a registry")


def _help(page: InitializerPage) -> None:
    _full(page)
    page.page.locator("#help").click()


STATES: dict[str, Callable[[InitializerPage], None]] = {
    "start": _start,
    "full": _full,
    "changed": _changed,
    "refused": _refused,
    "impossible": _impossible,
    "wrong": _wrong,
    "output": _output,
    "help": _help,
}


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", metavar="STATE", choices=[*STATES, []])
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--scheme", choices=("light", "dark"), action="append")
    parser.add_argument("--whole", action="store_true", help="The whole page, also what a person scrolls to.")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with on_page(previews(), port=0) as screen, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size in given.size or SIZES:
            for scheme in given.scheme or ("light", "dark"):
                width, height = SIZES[size]
                looks: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
                context = browser.new_context(**looks)
                context.set_default_timeout(_WAIT_MS)
                for state in given.states or STATES:
                    page = InitializerPage(context.new_page(), screen.door)
                    STATES[state](page)
                    page.page.wait_for_timeout(300)  # what moves has come to rest
                    page.page.screenshot(path=given.folder / f"{state}-{size}-{scheme}.png", full_page=given.whole)
                    page.page.close()
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
