"""The steady loads of a step: they run while its commands run, and each `Mark` begins a new phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lab.measure.load import Running, steady, through_frontend
from lab.measure.recording import Recording
from lab.measure.stream_load import steady_inside
from lab.scenario.context import Context, Role


@dataclass(frozen=True, kw_only=True)
class StepLoad:
    """The load of a step.

    Args:
        name: the recordings' name in the context's memo.
        service: the called service.
        entrances: the clusters whose ingress clients use, the preferred one first.
        inside: also send requests from inside the first of them.
    """

    name: str
    service: str
    entrances: tuple[Role, ...] = ("west",)
    inside: bool = True

    @property
    def key(self) -> str:
        """The recordings' key in the context's memo."""
        return f"load/{self.name}"


@dataclass(frozen=True)
class Loads:
    """The running loads of a step."""

    parts: tuple[Running, ...]

    def mark(self, text: str) -> None:
        """Begin a new phase in each recording."""
        for part in self.parts:
            part.mark(text)

    def stop(self) -> list[Recording]:
        """Stop them, wait for the requests under way, and return the recordings."""
        return [part.stop() for part in self.parts]


@contextmanager
def started(load: StepLoad, context: Context) -> Iterator[Loads]:
    """Run a step's loads while the block runs; they end with it, after Ctrl-C without waiting for answers."""
    clusters = [context.cluster(role) for role in load.entrances]
    urls = [context.base_url(cluster) for cluster in clusters]
    owners = " or ".join(f"{cluster.name.title()}'s" for cluster in clusters)
    with ExitStack() as stack:
        parts: list[Running] = [
            stack.enter_context(
                steady(f"through {owners} ingress", through_frontend(urls, load.service), rate_per_s=context.rate_per_s)
            )
        ]
        if load.inside:
            name = f"from inside {clusters[0].name.title()}"
            parts.append(stack.enter_context(steady_inside(name, urls[0], load.service, rate_per_s=context.rate_per_s)))
        yield Loads(tuple(parts))
