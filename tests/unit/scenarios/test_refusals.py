"""A negative check accepts the expected refuser's signs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lab.mesh.model import ProxyAnswer, Refusals
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.observation import Outcome
from lab.stacks.istio.refusals import REFUSALS as ISTIO
from lab.stacks.linkerd.refusals import REFUSALS as LINKERD
from scenarios import refusals
from scenarios.dev_loop import looks as dev_looks
from scenarios.probes import Failure, Said
from scenarios.refusals import ALERTS, ENDS, Judgement, Refuser, judge, refused
from tests.unit.scenarios.kit import FakeRunner, check, runner_of, scenario, step

EVIDENCE = Evidence(kind=EvidenceKind.ANSWERS, title="a request", text="its answer")
PODINFO = '{"hostname": "podinfo-1", "message": "cluster=east; hello"}'


def answer(status: int, body: str = "", **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status=status, body=body, headers=named, peer="10.0.0.9", evidence=EVIDENCE)


def failure(kind: Failure, *, peer: str = "", identities: tuple[str, ...] = ()) -> Said:
    return Said(failure=kind, error=kind.value, peer=peer, identities=identities, evidence=EVIDENCE)


STRANGER = answer(404, server="keryx", content_length="0")
DENIED_BY = {
    "istio": answer(403, "RBAC: access denied", server="envoy", x_envoy_upstream_service_time="3"),
    "linkerd": answer(403, content_length="0", date="Thu, 26 Nov 2026 22:35:28 GMT"),
}
NO_BACKEND_OF = {
    "istio": answer(503, "no healthy upstream", server="envoy"),
    "linkerd": answer(
        503,
        l5d_proxy_error="logical service 10.111.187.196:8000: route default.http: service unavailable",
        connection="close",
        l5d_proxy_connection="close",
        content_length="0",
        date="Thu, 26 Nov 2026 23:03:26 GMT",
    ),
    "linkerd, refused by the gateway": answer(503, content_length="0", date="Thu, 26 Nov 2026 23:03:26 GMT"),
}
MESHES: Mapping[str, Refusals] = {"istio": ISTIO, "linkerd": LINKERD}


def by(expected: ProxyAnswer) -> Refuser:
    return Refuser(name=expected.by, answers=(expected,))


@pytest.mark.parametrize("mesh", MESHES)
def test_a_proxys_own_denial_is_a_refusal_and_names_the_proxy(mesh: str) -> None:
    verdict, words = judge(DENIED_BY[mesh], [by(MESHES[mesh].denied)])
    assert verdict is Judgement.REFUSED
    assert words == f"HTTP 403, by {MESHES[mesh].denied.by}"


@pytest.mark.parametrize("case", NO_BACKEND_OF)
def test_a_proxy_without_endpoints_is_recognised(case: str) -> None:
    mesh = MESHES[case.partition(",")[0]]
    assert judge(NO_BACKEND_OF[case], [by(mesh.no_backend)])[0] is Judgement.REFUSED


@pytest.mark.parametrize(
    "expected", [answer for mesh in MESHES.values() for answer in (mesh.denied, mesh.denied_plain, mesh.no_backend)]
)
@pytest.mark.parametrize(
    "said",
    [
        STRANGER,
        answer(403, "Forbidden", server="nginx", content_length="9"),
        answer(403, "RBAC: access denied", server="corporate-proxy"),
        answer(503, "no healthy upstream", server="nginx"),
        failure(Failure.TIMED_OUT),
        failure(Failure.OTHER),
    ],
)
def test_a_strangers_answer_is_unclear_and_is_described(expected: ProxyAnswer | None, said: Said) -> None:
    if expected is None:
        expected = ISTIO.denied
    verdict, words = judge(said, [by(expected)])
    assert verdict is Judgement.UNCLEAR
    assert words.startswith(f"expected a refusal by {expected.by}, but got {said.words}")


def test_an_unclear_404_names_its_address_and_server() -> None:
    _, words = judge(STRANGER, [by(ISTIO.denied)])
    assert words.endswith("but got HTTP 404 from 10.0.0.9 (server: keryx, empty body)")


def test_an_answer_of_the_service_itself_is_not_a_refusal() -> None:
    assert judge(answer(200, PODINFO), [by(ISTIO.denied)])[0] is Judgement.REACHED


def test_a_200_of_another_server_is_unclear() -> None:
    assert judge(answer(200, "<html>Sign in to this network</html>"), [by(ISTIO.denied)])[0] is Judgement.UNCLEAR


def test_istios_own_caller_cannot_pass_for_the_services_proxy() -> None:
    said = answer(403, "RBAC: access denied", server="envoy")
    assert judge(said, [by(ISTIO.denied)])[0] is Judgement.UNCLEAR


@pytest.mark.parametrize("kind", sorted(ENDS, key=str))
def test_an_end_of_the_connection_counts_at_exactly_its_hop(kind: Failure) -> None:
    gateway = Refuser(name="the gateway", failures=ENDS, peer="172.30.0.3")
    assert judge(failure(kind, peer="172.30.0.3"), [gateway])[0] is Judgement.REFUSED
    assert judge(failure(kind, peer="10.0.0.1"), [gateway])[0] is Judgement.UNCLEAR
    assert judge(failure(kind), [gateway])[0] is Judgement.UNCLEAR


def test_an_unreachable_route_is_recognised_before_any_connection() -> None:
    node = Refuser(name="the node", failures=frozenset({Failure.UNREACHABLE}))
    assert judge(failure(Failure.UNREACHABLE), [node])[0] is Judgement.REFUSED
    for other in (Failure.TIMED_OUT, Failure.NO_PORT, Failure.RESET, Failure.NO_NAME):
        assert judge(failure(other), [node])[0] is Judgement.UNCLEAR
    assert judge(STRANGER, [node])[0] is Judgement.UNCLEAR


@pytest.mark.parametrize("kind", sorted(ALERTS, key=str))
def test_a_refused_certificate_counts_only_from_the_expected_identity(kind: Failure) -> None:
    name = "spiffe://east.example/ns/test/sa/podinfo"
    proxy = Refuser(name="podinfo", failures=ALERTS, peer="172.30.0.3", identity=name)
    assert judge(failure(kind, peer="172.30.0.3", identities=(name,)), [proxy])[0] is Judgement.REFUSED
    assert judge(failure(kind, peer="172.30.0.3", identities=("other",)), [proxy])[0] is Judgement.UNCLEAR
    assert judge(failure(kind, peer="172.30.0.3"), [proxy])[0] is Judgement.UNCLEAR


def test_a_refusal_needs_its_control() -> None:
    seen = refused(DENIED_BY["istio"], by(ISTIO.denied), control=answer(503), control_name="the frontend")
    assert not seen.holds
    assert not seen.unclear
    good = refused(DENIED_BY["istio"], by(ISTIO.denied), control=answer(200, PODINFO), control_name="the frontend")
    assert good.holds


def test_a_stranger_makes_the_check_errored_and_the_evidence_is_kept(context: Context, runner: FakeRunner) -> None:
    control = answer(200, PODINFO)
    seen = refused(STRANGER, by(ISTIO.denied), control=control, control_name="the frontend")
    run = runner_of(context, runner).run(scenario(step(checks=(check(look=lambda _: seen),))))
    assert run.checks[0].outcome is Outcome.ERRORED
    assert "HTTP 404 from 10.0.0.9 (server: keryx" in run.checks[0].reason
    assert run.checks[0].evidence

    reached = refused(answer(200, PODINFO), by(ISTIO.denied), control=control, control_name="the frontend")
    run = runner_of(context, runner).run(scenario(step(checks=(check(look=lambda _: reached),))))
    assert run.checks[0].outcome is Outcome.FAILED


def test_a_check_retries_after_a_strangers_answer(context: Context, runner: FakeRunner) -> None:
    control = answer(200, PODINFO)
    answers = iter([STRANGER, DENIED_BY["istio"]])
    late = check(
        within_s=5,
        look=lambda _: refused(next(answers), by(ISTIO.denied), control=control, control_name="the frontend"),
    )
    run = runner_of(context, runner).run(scenario(step(checks=(replace(late),))))
    assert run.checks[0].outcome is Outcome.PASSED


def test_another_service_that_answers_is_reached_by_its_own_answer() -> None:
    said = answer(200, '{"service": "large-stuff", "cluster": "west"}')
    assert judge(said, [refusals.no_name()], service=dev_looks._BIG_ANSWER)[0] is Judgement.REACHED
    assert judge(said, [refusals.no_name()])[0] is Judgement.UNCLEAR
