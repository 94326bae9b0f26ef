"""The JSON API: what the page, the tests and the scenarios read. README.md shows each answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from frontend import __version__
from frontend.answers import totals
from frontend.caller import Caller
from frontend.config import Settings, Upstream
from frontend.errors import ApiError
from frontend.events import RECONNECT_MS, EventStream, event
from frontend.identity import read_identity
from frontend.pace import Ask, Budget, End, batch, steady
from frontend.query import Query

# Carried on to the upstream when they come in: W3C tracing, and the lab's own, which routes may look at.
PROPAGATED = ("baggage", "traceparent", "tracestate")
PROPAGATED_PREFIX = "x-lab-"
CONNECTIONS = ("new", "reuse")
MAX_COUNT = 500


@dataclass(kw_only=True)
class Service:
    """What the endpoints share; one per application, in `app.state.service`."""

    settings: Settings
    caller: Caller
    budget: Budget
    draining: asyncio.Event = field(default_factory=asyncio.Event)


def routes() -> list[Route]:
    """Every endpoint but the page."""
    return [
        Route("/api/info", info),
        Route("/api/upstreams", upstreams),
        Route("/api/answers", answers),
        Route("/api/identity", identity),
        Route("/api/stream", stream),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]


async def info(request: Request) -> JSONResponse:
    """Who this frontend is."""
    Query(request.query_params, allowed=())
    settings = _service(request).settings
    return JSONResponse(
        {"schema": "frontend/info/v1", **_self(settings), "default_upstream": settings.default_upstream}
    )


async def upstreams(request: Request) -> JSONResponse:
    """Whom it may call."""
    Query(request.query_params, allowed=())
    settings = _service(request).settings
    known = [
        {**_upstream(upstream), "default": upstream.name == settings.default_upstream}
        for upstream in settings.upstreams
    ]
    return JSONResponse({"schema": "frontend/upstreams/v1", "upstreams": known})


async def answers(request: Request) -> JSONResponse:
    """Call an upstream `count` times and tell who answered each; failed requests are results, not errors."""
    query = Query(request.query_params, allowed=("upstream", "count", "parallel", "connection"))
    service = _service(request)
    upstream = query.upstream(service.settings)
    count = query.whole("count", 10, low=1, high=MAX_COUNT)
    parallel = query.whole("parallel", 1, low=1, high=50)
    async with _asking(request, upstream, connection=query.choice("connection", CONNECTIONS)) as ask:
        got = await batch(ask, count=count, parallel=parallel, timeout_s=service.settings.batch_timeout_s)
    return JSONResponse(
        {
            "schema": "frontend/answers/v1",
            "frontend": _self(service.settings),
            "upstream": _upstream(upstream),
            "complete": len(got) == count,
            "totals": totals(got),
            "answers": [answer.as_json() for answer in got],
        }
    )


async def identity(request: Request) -> JSONResponse:
    """The identities on both ends, as podinfo's side saw them.

    Raises:
        ApiError: 502 if podinfo's side did not say.
    """
    query = Query(request.query_params, allowed=("upstream",))
    service = _service(request)
    upstream = query.upstream(service.settings)
    exchange, headers = await service.caller.reflect(upstream, headers=_propagated(request.headers))
    if exchange.failure is not None:
        raise ApiError(
            502,
            what=f"{exchange.failure.kind}: {exchange.failure.detail}",
            where=f"{upstream.name} at {upstream.url}/headers",
            next_step=f"look at /api/answers?upstream={upstream.name}&count=1, then at the pods behind it",
        )
    return JSONResponse(
        {
            "schema": "frontend/identity/v1",
            "frontend": _self(service.settings),
            "upstream": _upstream(upstream),
            "sent_at": exchange.sent_at,
            "latency_ms": exchange.latency_ms,
            "identity": read_identity(headers).as_json(),
            "headers": headers,
        }
    )


async def stream(request: Request) -> Response:
    """Answers as server-sent events at a steady rate.

    Raises:
        ApiError: 503 if the streams that are open already use the rate up, or while shutting down.
    """
    query = Query(request.query_params, allowed=("upstream", "rate", "count", "connection"))
    service = _service(request)
    upstream = query.upstream(service.settings)
    rate_per_s = query.number("rate", 2, low=0.1, high=100)
    count = query.optional_whole("count", low=1, high=1_000_000)
    asking = _asking(request, upstream, connection=query.choice("connection", CONNECTIONS))
    if service.draining.is_set():
        raise ApiError(503, what="shutting down", where="this frontend", next_step="connect again: another one answers")
    budget = service.budget
    if rate_per_s > budget.free_per_s:
        raise ApiError(
            503,
            what=f"{budget.free_per_s:g} of {budget.per_s:g} requests/s are free, not {rate_per_s:g}",
            where="the streams of this frontend together",
            next_step="ask for a lower rate, close a stream, or raise STREAM_BUDGET_PER_S",
        )
    hello = {
        "schema": "frontend/stream/v1",
        "frontend": _self(service.settings),
        "upstream": _upstream(upstream),
        "rate_per_s": rate_per_s,
    }
    events = _events(hello, asking, rate_per_s=rate_per_s, count=count, stop=service.draining)
    return EventStream(events, hold=budget.take(rate_per_s))


async def healthz(request: Request) -> JSONResponse:
    """The process runs; also while it drains."""
    Query(request.query_params, allowed=())
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> JSONResponse:
    """The process takes requests. Upstreams have no say: one that can't be reached is there to be shown."""
    Query(request.query_params, allowed=())
    if _service(request).draining.is_set():
        return JSONResponse({"status": "draining"}, status_code=503)
    return JSONResponse({"status": "ok"})


async def _events(
    hello: Mapping[str, object],
    asking: AbstractAsyncContextManager[Ask],
    *,
    rate_per_s: float,
    count: int | None,
    stop: asyncio.Event,
) -> AsyncIterator[bytes]:
    yield f"retry: {RECONNECT_MS}\n".encode() + event("hello", hello)
    async with asking as ask:
        async for item in steady(ask, rate_per_s=rate_per_s, count=count, stop=stop):
            if isinstance(item, End):
                yield event("end", {"reason": item})
            else:
                yield event("answer", item.as_json(), event_id=item.n)


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101 - tells the type; app.state has none
    return service


@asynccontextmanager
async def _asking(request: Request, upstream: Upstream, *, connection: str) -> AsyncIterator[Ask]:
    caller, headers = _service(request).caller, _propagated(request.headers)
    async with caller.connections(reuse=connection == "reuse") as client:
        yield partial(caller.ask, upstream, client=client, headers=headers)


def _propagated(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in PROPAGATED or name.startswith(PROPAGATED_PREFIX)}


def _self(settings: Settings) -> dict[str, str]:
    return {"app": "frontend", "version": __version__, "cluster": settings.cluster, "pod": settings.pod}


def _upstream(upstream: Upstream) -> dict[str, str]:
    return {"name": upstream.name, "url": upstream.url}
