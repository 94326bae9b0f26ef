"""Open the stage in the user's browser, without the token in a command line.

Every user of a machine can see the arguments of its processes. So the browser is given a file that only its user can
read, and the file sends it on. The file is deleted when a browser has exchanged the token, or when the stage ends.
"""

from __future__ import annotations

import html
import logging
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.base.files import write_atomic

_log = logging.getLogger(__name__)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>East/West lab</title>
<p><a href="{url}">Open the page</a></p>
</html>
"""


@contextmanager
def start_file(file: Path, url: str) -> Iterator[Callable[[], None]]:
    """Write the file that sends a browser to a URL; yield a function that deletes it, and delete it after the block."""

    def delete() -> None:
        file.unlink(missing_ok=True)

    write_atomic(file, _PAGE.format(url=html.escape(url, quote=True)), mode=0o600)
    try:
        yield delete
    finally:
        delete()


def open_browser(file: Path) -> bool:
    """Open a file in the user's browser; return False if there is no browser with a window."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # A browser in the terminal, such as w3m, would take the terminal, and cannot show the stage.
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(browser, webbrowser.BackgroundBrowser):
        return False
    # It waits up to 5 s for some browsers.
    threading.Thread(target=_open, args=(browser, file.as_uri()), name="browser", daemon=True).start()
    return True


def _open(browser: webbrowser.BaseBrowser, uri: str) -> None:
    try:
        browser.open(uri)
    except (OSError, webbrowser.Error) as error:
        _log.debug("the browser could not be started: %s", error)
