"""Targets of a load: a service of a lab as a frontend calls it, or any URL. Each is checked before a load starts."""

from __future__ import annotations

import http.client
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from lab.base import wait
from lab.base.errors import LabError, UsageError, WaitTimeout
from lab.base.wait import TransientError
from lab.measure import trouble
from lab.measure.load import REQUEST_TIMEOUT_S, Ask, Load, Running, get_json, plain_get, through_frontend
from lab.measure.stream_load import STREAM_MAX_PER_S, StreamLoad, refusal

T = TypeVar("T")
_ANSWER_S = 3.0
"""Time in which a target has to answer once; one lost request does not refuse a target."""


class LoadTarget(Protocol):
    """What a load is sent to."""

    @property
    def name(self) -> str:
        """The target and the way to it, as text."""

    def check(self, rate_per_s: float) -> None:
        """Raise LabError if the target does not answer, or cannot get this rate."""

    def load(self, rate_per_s: float) -> Running:
        """Return the load, not yet started."""


@dataclass(frozen=True, kw_only=True)
class ServiceTarget:
    """A service that a cluster's frontend calls.

    Args:
        service: the frontend's name of the service.
        caller: name of the frontend's cluster.
        base: URL of the cluster's ingress on this machine.
        inside: the frontend itself sends the load, and the ingress is not a part of the measured path.
    """

    service: str
    caller: str
    base: str
    inside: bool = False

    @property
    def name(self) -> str:
        """The target and the way to it, as text."""
        return f"{self.service}, {'from inside' if self.inside else 'through the ingress of'} {self.caller}"

    def check(self, rate_per_s: float) -> None:
        """Check that the frontend answers, that it may call the service, and that the service answers.

        Raises:
            UsageError: the frontend does not call such a service, or not at this rate.
            LabError: the frontend or the service does not answer.
        """
        where = f"{self.caller}'s frontend at {self.base}"
        known = _first(self._upstreams, "the frontend does not answer through the ingress", where, "lab status")
        if self.service not in known:
            raise UsageError(
                f"the frontend does not call a service {self.service!r}",
                where=where,
                next=f"one of: {', '.join(known)}; for any other address: lab load --url URL",
            )
        _check_answers(
            through_frontend([self.base], self.service), f"{self.service} does not answer", where, "lab status"
        )
        if not self.inside:
            return
        if rate_per_s > STREAM_MAX_PER_S:
            raise UsageError(
                f"a frontend sends at most {STREAM_MAX_PER_S:g} requests/s, not {rate_per_s:g}",
                where=where,
                next=f"--rate {STREAM_MAX_PER_S:g}, or leave out --inside",
            )
        if reason := refusal(self.base, self.service, rate_per_s=rate_per_s):
            raise LabError(
                f"the frontend refuses a load: {reason}",
                where=where,
                next="a lower --rate, close other pages of the frontend, or leave out --inside",
            )

    def load(self, rate_per_s: float) -> Running:
        """Return the load, not yet started."""
        if self.inside:
            return StreamLoad(self.name, rate_per_s, self.base, self.service)
        return Load(self.name, rate_per_s, through_frontend([self.base], self.service))

    def _upstreams(self) -> list[str]:
        try:
            document = get_json(self.base, "/api/upstreams", timeout_s=REQUEST_TIMEOUT_S)
            return [str(upstream["name"]) for upstream in document["upstreams"]]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise TransientError(trouble.words(error)) from error


@dataclass(frozen=True, kw_only=True)
class UrlTarget:
    """Any URL, as a plain GET; an answer is a status of 2xx."""

    url: str

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    @classmethod
    def of(cls, url: str) -> UrlTarget:
        """Return the target.

        Raises:
            UsageError: the text is not an http or https URL, or has a user and a password.
        """
        hint = "give an address such as http://localhost:8000/path"
        parts = _split_url(url)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError("not a URL that a load can use", where=f"--url {url}", next=hint)
        if parts.username is not None or parts.password is not None:
            raise UsageError("the URL has a user or a password, and the report would show it", where="--url", next=hint)
        return cls(url=url)

    def check(self, rate_per_s: float) -> None:
        """Check that the URL answers with 2xx.

        Raises:
            LabError: it does not.
        """
        del rate_per_s
        _check_answers(plain_get(self.url), "does not answer with 2xx", self.url, f"curl -v {shlex.quote(self.url)}")

    def load(self, rate_per_s: float) -> Running:
        """Return the load, not yet started."""
        return Load(self.url, rate_per_s, plain_get(self.url))


def _check_answers(ask: Ask, problem: str, where: str, advice: str) -> None:
    """Check that a target answers at least one of a few requests."""

    def once() -> bool:
        request = ask()
        if request.answered_by is None:
            raise TransientError(request.error)
        return True

    _first(once, problem, where, advice)


def _first(probe: Callable[[], T], problem: str, where: str, advice: str) -> T:
    """Call `probe` until it raises no TransientError, for a short time."""
    try:
        return wait.until(f"an answer of {where}", probe, timeout_s=_ANSWER_S)
    except WaitTimeout as error:
        raise LabError(f"{problem}: {error.last}", where=where, next=advice) from error


def _split_url(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        valid = url.isascii() and url.isprintable() and " " not in url and parts.port != 0
    except ValueError:  # a port that is not a number, a bracket that is not closed
        return None
    return parts if valid else None
