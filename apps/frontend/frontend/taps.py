"""Taps: requests that people's phones send one by one, each shown on the open streams of its upstream.

A tap is a real request and a square of the grid, and no part of any other number. The numbers of a stream are those of
its own load: a request every 1/rate seconds, however the upstream is. People tap more when something happens, and stop
when it is boring, so their taps would shift shares, losses and percentiles without a change in the mesh. For the same
reason they do not use the streams' budget, but have a limit of their own.
"""

from itertools import count

from frontend.answers import Answer
from frontend.config import Settings, Upstream
from frontend.errors import ApiError
from frontend.fanout import Fanout
from frontend.pace import Bucket
from frontend.posting import fields_of

PER_S = 60.0
"""Taps per second, of everybody and to all upstreams together; as many at once."""
WAITING = 200
"""Taps that a stream may be behind; further ones are left out there."""
_EXAMPLE = '{"upstream": "podinfo"}'


class TapBoard:
    """Numbers and limits taps, and gives their answers to the streams of their upstream."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(PER_S, burst=PER_S)
        self._numbers = count(1)
        self._streams: dict[str, Fanout[Answer]] = {one.name: Fanout(WAITING) for one in settings.upstreams}

    def next_number(self) -> int:
        """Admit one tap, and return its number, from 1.

        Raises:
            ApiError: 429 if everybody together taps too fast.
        """
        if not self._bucket.take():
            raise ApiError(
                429, what=f"more than {PER_S:g} taps per second", where="/api/taps", next_step="wait a second"
            )
        return next(self._numbers)

    def show(self, upstream: Upstream, answer: Answer) -> None:
        """Give the answer of a tap to each open stream of its upstream."""
        self._streams[upstream.name].send(answer)

    def of(self, upstream: Upstream) -> Fanout[Answer]:
        """Return what gives the taps of an upstream to its streams."""
        return self._streams[upstream.name]


def parse_tap(body: bytes, settings: Settings) -> Upstream:
    """Read the body of a POST: `{"upstream": NAME}`; without a name, the default upstream.

    Raises:
        ApiError: 400, with the first problem.
    """
    name = fields_of(body, allowed={"upstream"}, example=_EXAMPLE).get("upstream", settings.default_upstream)
    upstream = settings.upstream(name) if isinstance(name, str) else None
    if upstream is None:
        known = ", ".join(one.name for one in settings.upstreams)
        raise ApiError(400, what=f"unknown upstream {name!r}", where="body", next_step=f"known: {known}")
    return upstream
