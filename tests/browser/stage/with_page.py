"""A stage with the real page in its frame: a real frontend, and upstreams that answer as East and West."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.page.kit import Api, Frontend, Loop, Podinfo, linkerd
from tests.browser.stage.played import Theatre, played

_IDENTITIES = {"east": linkerd("west", "east"), "west": linkerd("west", "west")}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The stage and everything in its frame."""

    theatre: Theatre
    upstreams: Mapping[str, Podinfo]
    api: Api
    frontend: Frontend


@contextmanager
def whole_stage(folder: Path, **options: Any) -> Iterator[Whole]:
    """Serve a stage and its page while the block runs."""
    with ExitStack() as open_parts:
        loop = Loop()
        open_parts.callback(loop.close)
        upstreams = {
            "podinfo": Podinfo(loop, {"west": 1}, identities=_IDENTITIES),
            "podinfo-east": Podinfo(loop, {"east": 1}, identities=_IDENTITIES),
        }
        api = Api(loop)
        for server in (*upstreams.values(), api):
            server.start()
            open_parts.callback(server.stop)
        frontend = Frontend({name: upstream.url for name, upstream in upstreams.items()})
        url = f"http://localhost:{frontend.port}/?view=stage&upstream=podinfo&upstream=podinfo-east"
        theatre = open_parts.enter_context(played(folder, page_url=url, **options))
        port = str(theatre.door.port)
        frontend.env = {"STAGE_PORT": port, "KUBERNETES_API_URL": api.url, "NAMESPACE": "test"}
        frontend.start()
        open_parts.callback(frontend.stop)
        yield Whole(theatre=theatre, upstreams=upstreams, api=api, frontend=frontend)
