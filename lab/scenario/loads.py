"""The steady loads of a step: they run while its commands run, and each `NewPhase` begins a new phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.measure.load import Load, Running, through_frontend
from lab.measure.stream_load import StreamLoad
from lab.measure.under_load import UnderLoad
from lab.scenario.context import Context, Role


@dataclass(frozen=True, kw_only=True)
class StepLoad:
    """The load of a step.

    Args:
        name: the recordings' name in the context's memo.
        service: the called service.
        entrances: the clusters whose ingress clients use, the preferred one first.
        inside: also send requests from inside the first of them.
        numbered: number the requests, and send them through the ingress of each entrance alike, instead of that of the
            preferred one.
    """

    name: str
    service: str
    entrances: tuple[Role, ...] = ("west",)
    inside: bool = True
    numbered: bool = False

    @property
    def key(self) -> str:
        """The recordings' key in the context's memo."""
        return f"load/{self.name}"

    def start(self, context: Context) -> UnderLoad:
        """Return the loads, which run while the block of the result runs."""
        if self.numbered:
            return UnderLoad(loads=[self._numbered(context, role) for role in self.entrances])
        clusters = [context.cluster(role) for role in self.entrances]
        urls = [context.base_url(cluster) for cluster in clusters]
        ask = through_frontend(urls, self.service)
        parts: list[Running] = [Load(_through(context, self.entrances), context.rate_per_s, ask)]
        if self.inside:
            name = f"from inside {clusters[0].name.title()}"
            parts.append(StreamLoad(name, context.rate_per_s, urls[0], self.service))
        return UnderLoad(loads=parts)

    def _numbered(self, context: Context, role: Role) -> Load:
        url = context.base_url(context.cluster(role))
        ask = through_frontend([url], self.service, numbered=role)
        return Load(_through(context, (role,)), context.rate_per_s, ask)


def _through(context: Context, entrances: Sequence[Role]) -> str:
    owners = " or ".join(f"{context.cluster(role).name.title()}'s" for role in entrances)
    return f"through {owners} ingress"
