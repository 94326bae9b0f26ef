from pathlib import Path

import pytest

from lab import config
from lab.base import wait
from lab.base.errors import LabError, WaitTimeout
from lab.base.paths import Paths
from lab.base.step import Step
from lab.base.wait import NotYet
from lab.lab import Lab
from lab.lifecycle import plan, runner
from lab.lifecycle.answers import FrontendAnswers
from lab.lifecycle.changes import Change
from lab.stacks import STACKS
from tests.unit.plan_kit import before


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    return plan.up(lab(tmp_path, 'stack = "istio"\n[clusters.third]\n'))


def lab(tmp_path: Path, toml: str) -> Lab:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    return Lab(spec=config.parse(toml), paths=paths, artifacts=None)  # type: ignore[arg-type]


def test_the_plan_is_a_graph_that_can_be_walked(steps: list[Step]) -> None:
    runner.check(steps)


def test_planning_touches_nothing(steps: list[Step], tmp_path: Path) -> None:
    assert steps
    assert list(tmp_path.iterdir()) == []


def test_clusters_do_not_wait_for_each_other(steps: list[Step]) -> None:
    for one, other in (("east", "west"), ("west", "third")):
        assert not [need for need in before(steps, f"{one}/frontend") if need.startswith(f"{other}/")]


def test_a_third_cluster_is_like_the_first_two(steps: list[Step]) -> None:
    names = {step.name for step in steps}
    assert {n.removeprefix("third/") for n in names if n.startswith("third/")} >= {
        n.removeprefix("east/") for n in names if n.startswith("east/") and "west" not in n and "third" not in n
    }
    assert {f"{a}/link-to-{b}" for a, b in (("east", "third"), ("third", "west"), ("west", "third"))} <= names


def test_istio_waits_for_its_issuer_its_kinds_and_its_images(steps: list[Step]) -> None:
    assert {"east/trust", "east/gateway-api", "east/images", "east/manifests"} <= before(steps, "east/istio")


def test_a_link_waits_for_both_ends_and_the_right_to_look(steps: list[Step]) -> None:
    assert {"west/istio", "east/istio", "east/access-of-west"} <= before(steps, "west/link-to-east")


def test_answers_are_asked_for_when_everything_stands(steps: list[Step]) -> None:
    needs = before(steps, "west/answers")
    assert {"east/east-west-gateway", "west/ingress", "east/podinfo", "west/frontend", "west/link-to-east"} <= needs


def linkerd_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str = "") -> list[Step]:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    return plan.up(lab(tmp_path, f'stack = "linkerd"\n{toml}'))


def test_a_dashboard_is_installed_on_request_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [step.name for step in linkerd_steps(tmp_path, monkeypatch) if "viz" in step.name]
    with_viz = linkerd_steps(tmp_path, monkeypatch, "viz = true")
    assert {"west/linkerd", "west/images", "west/manifests"} <= before(with_viz, "west/linkerd-viz")
    assert "west/linkerd-viz" in before(with_viz, "west/answers")


def test_on_linkerd_only_the_ingress_waits_for_emissarys_crds_and_they_wait_for_the_identity_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server that gets many CRDs is slow, and the identity service is on the critical path."""
    steps = linkerd_steps(tmp_path, monkeypatch)
    assert "west/linkerd-identity" in before(steps, "west/emissary-crds")
    waiting = {step.name for step in steps if "west/emissary-crds" in before(steps, step.name)}
    assert {name for name in waiting if name.startswith("west/")} == {"west/ingress", "west/answers"}


def test_linkerd_waits_for_all_that_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = linkerd_steps(tmp_path, monkeypatch)
    identity = before(steps, "west/linkerd-identity")
    definitions = {"west/linkerd-crds", "west/gateway-api"}
    assert {"west/dns", "west/images", "west/manifests"} <= identity
    assert identity.isdisjoint(definitions), "the identity service has no object of these kinds"
    assert {*identity, *definitions, "west/linkerd-identity"} <= before(steps, "west/linkerd")
    assert before(steps, "west/linkerd-crds").isdisjoint({"west/images"})


def test_linkerd_links_to_clusters_that_export_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def links(toml: str) -> set[str]:
        return {step.name for step in linkerd_steps(tmp_path, monkeypatch, toml) if "/link-to-" in step.name}

    assert links("") == {"west/link-to-east"}
    both = '[exports]\npodinfo = ["east", "west"]\n[clusters.north]\n'
    assert links(both) == {f"{a}/link-to-{b}" for a in ("east", "west", "north") for b in ("east", "west") if a != b}


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plan.AnswersProbe:
    """Look for answers on a lab where every request fails, once every 3 s."""
    problem = "12 of 12 requests of east's frontend to podinfo fail: HTTP 403"
    failing = FrontendAnswers(cluster="east", upstream="podinfo", requests=12, failed=12, problem=problem)
    moments = iter(range(0, 100, 3))
    monkeypatch.setattr(plan.answers, "ask", lambda *_, **__: failing)
    return plan.AnswersProbe(
        lab=lab(tmp_path, 'stack = "istio"'),
        stack=STACKS["istio"],
        cluster="east",
        upstream="podinfo",
        clusters=frozenset({"east"}),
        clock=lambda: float(next(moments)),
    )


def test_what_somebody_has_left_ends_the_wait_for_answers_within_seconds(
    probe: plan.AnswersProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Change(cluster="east", kind="permission", effect="locked: only west/frontend may call podinfo in east")
    monkeypatch.setattr(plan.changes, "now", lambda *_: (left,))
    with pytest.raises(
        LabError, match=r"12 of 12 requests .* changed by a walk, a command or a person: locked: only west/frontend"
    ) as raised:
        wait.until("answers", probe, timeout_s=120, sleep=lambda _: None)
    assert raised.value.next == "lab reset"
    assert not isinstance(raised.value, WaitTimeout)


def test_objects_that_decide_nothing_do_not_end_the_wait(
    probe: plan.AnswersProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Change(cluster="west", kind="objects", effect="objects of dev: Deployment test/my-service")
    monkeypatch.setattr(plan.changes, "now", lambda *_: (left,))
    assert [type(probe()) for _ in range(4)] == [NotYet] * 4


def test_a_frontend_that_is_not_reached_is_waited_for_whatever_somebody_has_left(
    probe: plan.AnswersProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen on nodes that had just started with a failover in place: `lab up` gave up after 5 s."""
    left = Change(cluster="west", kind="failover", effect="failover: west's requests to podinfo go to east")
    monkeypatch.setattr(plan.changes, "now", lambda *_: (left,))
    problem = "east's frontend does not answer through its ingress: no answer (ConnectionError)"
    starting = FrontendAnswers(cluster="east", upstream="podinfo", requests=12, reached=False, problem=problem)
    monkeypatch.setattr(plan.answers, "ask", lambda *_, **__: starting)
    assert [type(probe()) for _ in range(4)] == [NotYet] * 4
