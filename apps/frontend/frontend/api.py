"""The JSON API: what the page, the tests and the scenarios read. README.md shows each answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
from frontend.events import EventStream
from frontend.identity import read_identity
from frontend.kubernetes import ApiServerError
from frontend.marks import MarkBoard, parse_mark
from frontend.pace import Ask, Budget, batch
from frontend.posting import posted
from frontend.query import Query
from frontend.split import Split, SplitReader, State
from frontend.stream import events
from frontend.taps import TapBoard, parse_tap

# Carried on to the upstream when they come in: W3C tracing, and the lab's own, which routes may look at.
PROPAGATED = ("baggage", "traceparent", "tracestate")
PROPAGATED_PREFIX = "x-lab-"
CONNECTIONS = ("new", "reuse")
MAX_COUNT = 500
NO_STORE = {"cache-control": "no-store"}


@dataclass(kw_only=True)
class Service:
    """What the endpoints share; one per application, in `app.state.service`."""

    settings: Settings
    caller: Caller
    budget: Budget
    splits: SplitReader
    taps: TapBoard
    board: MarkBoard = field(default_factory=MarkBoard)
    draining: asyncio.Event = field(default_factory=asyncio.Event)


def routes() -> list[Route]:
    """Every endpoint but the page."""
    return [
        Route("/api/info", info),
        Route("/api/upstreams", upstreams),
        Route("/api/answers", answers),
        Route("/api/identity", identity),
        Route("/api/stream", stream),
        Route("/api/split", split),
        Route("/api/marks", marks, methods=["GET"]),
        Route("/api/marks", post_mark, methods=["POST"]),
        Route("/api/taps", post_tap, methods=["POST"]),
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
    hello = {"schema": "frontend/stream/v2", "frontend": _self(service.settings), "upstream": _upstream(upstream)}
    taps = service.taps.of(upstream)
    sent = events(hello, asking, service.board, taps, rate_per_s=rate_per_s, count=count, stop=service.draining)
    return EventStream(sent, hold=budget.take(rate_per_s))


async def split(request: Request) -> JSONResponse:
    """The weights that are configured for an upstream; a `problem` if the Kubernetes API does not tell them."""
    query = Query(request.query_params, allowed=("upstream",))
    service = _service(request)
    upstream = query.upstream(service.settings)
    configured, problem = Split(state=State.UNKNOWN), None
    try:
        configured = await service.splits.read(upstream)
    except ApiServerError as error:
        problem = {"what": str(error), "where": "the Kubernetes API", "next": error.next_step}
    return JSONResponse(
        {
            "schema": "frontend/split/v1",
            "frontend": _self(service.settings),
            "upstream": _upstream(upstream),
            **configured.as_json(),
            "problem": problem,
        },
        headers=NO_STORE,
    )


async def marks(request: Request) -> JSONResponse:
    """The latest marks, oldest first."""
    Query(request.query_params, allowed=())
    board = _service(request).board
    return JSONResponse(
        {"schema": "frontend/marks/v1", "marks": [mark.as_json() for mark in board.marks]}, headers=NO_STORE
    )


async def post_mark(request: Request) -> JSONResponse:
    """Set a mark, which every open stream gets."""
    Query(request.query_params, allowed=())
    service = _service(request)
    new = parse_mark(await posted(request, stage_port=service.settings.stage_port))
    mark = service.board.post(text=new.text, kind=new.kind, intended=new.intended)
    return JSONResponse({"schema": "frontend/mark/v1", "mark": mark.as_json()}, status_code=201)


async def post_tap(request: Request) -> JSONResponse:
    """Send one request for somebody's phone, and show its answer on every open stream of the upstream."""
    Query(request.query_params, allowed=())
    service = _service(request)
    upstream = parse_tap(await posted(request, stage_port=service.settings.stage_port), service.settings)
    n = service.taps.next_number()
    async with _asking(request, upstream, connection="new") as ask:
        answer = await ask(n)
    service.taps.show(upstream, answer)
    return JSONResponse(
        {
            "schema": "frontend/tap/v1",
            "frontend": _self(service.settings),
            "upstream": _upstream(upstream),
            "answer": answer.as_json(),
        },
        headers=NO_STORE,
    )


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
