from __future__ import annotations

from dataclasses import replace

import pytest

from lab.base.errors import LabError, UsageError
from lab.measure.target import ServiceTarget, UrlTarget
from lab.measure.under_load import UnderLoad
from tests.unit.measure.local_server import LocalServer, Mode, free_port


@pytest.fixture(autouse=True)
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.measure.target._ANSWER_S", 0.1)


@pytest.fixture
def podinfo(server: LocalServer) -> ServiceTarget:
    return ServiceTarget(service="podinfo", caller="west", base=server.base)


@pytest.mark.parametrize("inside", [False, True])
def test_a_service_is_called_through_the_frontend(server: LocalServer, podinfo: ServiceTarget, inside: bool) -> None:
    server.cluster = "east"
    target = replace(podinfo, inside=inside)
    target.check(50)
    with UnderLoad(loads=[target.load(50)]) as under_load:
        under_load.rest(0.3)
    (recording,) = under_load.recordings
    assert recording.name == ("podinfo, from inside west" if inside else "podinfo, through the ingress of west")
    assert {request.answered_by for request in recording.requests} == {"east"}
    assert len(recording.requests) > 5


def test_a_load_from_inside_can_be_read_before_it_ends(server: LocalServer, podinfo: ServiceTarget) -> None:
    under_load = UnderLoad(loads=[replace(podinfo, inside=True).load(50)])

    def interrupted() -> None:
        with under_load:
            under_load.rest(0.3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(under_load.recordings[0].requests) > 5
    assert under_load.recordings[0].lost == ()


def test_an_unknown_service_is_named_with_the_known_ones(podinfo: ServiceTarget) -> None:
    with pytest.raises(UsageError, match="does not call a service 'podinfi'") as caught:
        replace(podinfo, service="podinfi").check(50)
    assert caught.value.next == "one of: podinfo, podinfo-east; for any other address: lab load --url URL"
    assert "west's frontend" in str(caught.value.where)


def test_a_frontend_that_does_not_answer_is_named(podinfo: ServiceTarget) -> None:
    with pytest.raises(LabError, match="does not answer through the ingress: connection refused") as caught:
        replace(podinfo, base=f"http://127.0.0.1:{free_port()}").check(50)
    assert caught.value.next == "lab status"


def test_something_else_on_the_ingress_port_is_not_a_frontend(server: LocalServer, podinfo: ServiceTarget) -> None:
    server.is_frontend = False
    with pytest.raises(LabError, match="does not answer through the ingress: KeyError"):
        podinfo.check(50)


def test_a_service_that_does_not_answer_is_named(server: LocalServer, podinfo: ServiceTarget) -> None:
    server.mode = Mode.ERROR
    with pytest.raises(LabError, match=r"podinfo does not answer: .*HTTP 500"):
        podinfo.check(50)


def test_a_load_that_the_frontend_refuses_never_starts(server: LocalServer, podinfo: ServiceTarget) -> None:
    server.refusal = "20 of 120 requests/s are free, not 50"
    podinfo.check(50)
    inside = replace(podinfo, inside=True)
    with pytest.raises(LabError, match="refuses a load: 20 of 120 requests/s are free, not 50"):
        inside.check(50)
    with pytest.raises(UsageError, match="at most 100 requests/s, not 150"):
        inside.check(150)


@pytest.mark.parametrize("mode", [Mode.CLOSE, Mode.SHORT, Mode.ERROR, Mode.REDIRECT])
def test_a_url_that_does_not_answer_is_refused(server: LocalServer, mode: Mode) -> None:
    server.mode = mode
    with pytest.raises(LabError, match="does not answer with 2xx") as caught:
        UrlTarget.of(server.base).check(50)
    assert (caught.value.where, caught.value.next) == (server.base, f"curl -v {server.base}")


@pytest.mark.parametrize(
    "url",
    ["", "localhost:80", "ftp://localhost", "http://", "http://localhost:port", "http://localhost:99999",
     "http://[::1", "http://localhost/a b", "http://localhost/\n", "http://löcal"],
)  # fmt: skip
def test_what_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not a URL"):
        UrlTarget.of(url)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        UrlTarget.of("http://me:geheim@localhost")
    assert "geheim" not in str(caught.value)
