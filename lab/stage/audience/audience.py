"""The audience of one stage: its server, its link, its QR code, and what it has done so far."""

from __future__ import annotations

import io
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import segno

from lab.base.names import Json
from lab.lab import Lab
from lab.stage.audience.address import AudienceAddress
from lab.stage.audience.app import AudienceApp, Tapping
from lab.stage.audience.gate import Gate
from lab.stage.audience.limits import Limits
from lab.stage.audience.taps import Taps
from lab.stage.server import serving

_NEWS_S = 1.0
"""Shortest time between two calls of `changed`."""
_SERVICE = "podinfo"
_MOST_HEAD = 8 << 10
"""Bytes of a request's line and headers."""


class Audience:
    """Lets phones send requests through the mesh.

    Args:
        address: where phones reach it.
        taps: sends the requests.
        gate: its connections.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        address: AudienceAddress,
        taps: Tapping,
        *,
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._taps = taps
        self._gate = Gate() if gate is None else gate  # an empty one is false
        self._clock = clock
        self._limits = Limits(clock)
        self._token = secrets.token_urlsafe(16)
        self._qr = ""
        self._requests = 0
        self._changed: Callable[[], None] = lambda: None
        self._told_s = float("-inf")
        self._later: threading.Timer | None = None
        self._guard = threading.Lock()
        self._running = ExitStack()

    @classmethod
    def of(cls, lab: Lab, address: AudienceAddress) -> Audience:
        """Return the audience of a lab: its taps are requests of West's frontend to podinfo."""
        colors = {name: spec.podinfo.color for name, spec in lab.spec.clusters.items()}
        return cls(address, Taps(lab.ingress_url(lab.west.name), upstream=_SERVICE, colors=colors))

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to serve. `changed` is called from any thread, at most once a second, when `as_json` has changed.

        Raises:
            UsageError: this machine does not have the address, or another program uses the port.
            HostError: this user may not use the port.
        """
        self._changed = changed
        with ExitStack() as stack:
            listener = stack.enter_context(self._address.listening())
            self._address = replace(self._address, port=listener.getsockname()[1])
            self._qr = qr_svg(self.url)
            app = AudienceApp(
                token=self._token, host=self.host, taps=self._taps, limits=self._limits, tapped=self._tapped
            )
            if isinstance(self._taps, Taps):
                self._taps.start()
                stack.callback(self._taps.close)

            def closing() -> None:
                self._stop_telling()
                app.end()

            server = serving(
                app,
                listener,
                before_end=closing,
                name="audience",
                protocol=self._gate.protocol(),
                most_head=_MOST_HEAD,
                most_message=None,
            )
            stack.enter_context(server)
            self._running = stack.pop_all()

    def close(self) -> None:
        """End the server, within two seconds."""
        self._running.close()

    @property
    def host(self) -> str:
        """The value of `Host` in requests of phones."""
        port = "" if self._address.port == 80 else f":{self._address.port}"
        return f"{self._address.host}{port}"

    @property
    def url(self) -> str:
        """The link for the phones."""
        return f"http://{self.host}/{self._token}/"

    def as_json(self) -> Json:
        """Return the link, its QR code, and how many phones have sent how many requests."""
        with self._guard:
            requests = self._requests
        return {"url": self.url, "qr_svg": self._qr, "phones": self._limits.phones, "requests": requests}

    def _tapped(self) -> None:
        with self._guard:
            self._requests += 1
            if self._later is not None:
                return
            wait_s = max(0.0, self._told_s + _NEWS_S - self._clock())
            self._later = threading.Timer(wait_s, self._tell)
            self._later.daemon = True
            self._later.start()

    def _tell(self) -> None:
        with self._guard:
            self._later, self._told_s = None, self._clock()
            changed = self._changed
        changed()

    def _stop_telling(self) -> None:
        with self._guard:
            self._changed = lambda: None
            if self._later is not None:
                self._later.cancel()


def qr_svg(text: str) -> str:
    """Return a QR code as an SVG image, dark on white with its quiet zone, which scales with its place."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False, svgns=True, nl=False
    )
    return out.getvalue().decode()
