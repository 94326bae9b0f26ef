"""An audience on a free port of loopback, with taps that a test answers, and phones that tap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx2

from lab.stage.audience import Audience, AudienceAddress
from lab.stage.audience.gate import Gate
from lab.stage.audience.taps import TapResult

PATIENCE_S = 20
EAST = TapResult(cluster="east", color="#0072b2", latency_ms=12.3)


@dataclass
class FakeTaps:
    """Answers each tap from a thread of its own; while `held`, not before it is released. At most `most` wait."""

    result: TapResult = EAST
    most: int = 10**6
    sent: int = 0
    held: threading.Event | None = None
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def send(self, then: Callable[[TapResult], None]) -> bool:
        with self._guard:
            if self.sent >= self.most:
                return False
            self.sent += 1
        threading.Thread(target=self._answer, args=(then,), daemon=True).start()
        return True

    def _answer(self, then: Callable[[TapResult], None]) -> None:
        self.waiting.release()
        if self.held is not None:
            assert self.held.wait(PATIENCE_S)
        then(self.result)


@dataclass
class Clock:
    """Seconds that a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Hall:
    """A running audience."""

    audience: Audience
    taps: FakeTaps
    clock: Clock
    gate: Gate
    news: threading.Semaphore

    @property
    def path(self) -> str:
        return httpx2.URL(self.audience.url).path

    @contextmanager
    def phone(self, **options: object) -> Iterator[httpx2.Client]:
        """Yield the browser of a phone that has opened the link."""
        with self.client(**options) as client:
            assert client.get(self.path).status_code == 200
            yield client

    @contextmanager
    def client(self, **options: object) -> Iterator[httpx2.Client]:
        base = f"http://{self.audience.host}"
        headers = {"accept": "application/json", "origin": base}
        own = {"base_url": base, "headers": headers, "trust_env": False, "verify": False, "timeout": PATIENCE_S}
        with httpx2.Client(**own, **options) as client:  # type: ignore[arg-type]
            yield client

    def tap(self, phone: httpx2.Client, **options: object) -> httpx2.Response:
        return phone.post(f"{self.path}tap", **options)  # type: ignore[arg-type]


@contextmanager
def hall(*, gate: Gate | None = None) -> Iterator[Hall]:
    """Run an audience while the block runs. Its clock stands still, so that limits do not depend on the machine."""
    taps, clock, news = FakeTaps(), Clock(), threading.Semaphore(0)
    gate = Gate() if gate is None else gate
    audience = Audience(AudienceAddress(ip_address("127.0.0.1"), 0), taps, gate=gate, clock=clock)
    audience.start(news.release)
    try:
        yield Hall(audience, taps, clock, gate, news)
    finally:
        audience.close()
