"""`lab initialize verify`: each check is a kubectl command; a wrong answer is repeated until the time is over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import CommandTimeout, UsageError, WaitTimeout
from lab.base.process import Completed
from lab.base.wait import NotYet
from lab.initialize.choices import Choices, of
from lab.initialize.ingresses import INGRESSES
from lab.initialize.model import ClusterChoice
from lab.initialize.readme import command_line
from lab.initialize.tree import wires
from lab.initialize.verify import Verifier, WireResult
from lab.initialize.wires import WIRES, injection, metrics, scaling

CHOICES = of({"observability": "prometheus,otel-collector", "apps": "podinfo", "serverless": "keda"}, source="a test")


class NoSources:
    """No wire of these choices asks for YAML to say what it checks."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def once(what: str, probe: Callable[[], Any], *, timeout_s: float, interval_s: float) -> Any:
    """Ask once, as if the time were over then."""
    result = probe()
    if isinstance(result, NotYet):
        raise WaitTimeout(what, after_s=timeout_s, last=result.seen)
    return result


EVERYTHING = {
    "certificates": "cert-manager,trust-manager",
    "authentication": "oauth2-proxy,oidc-provider",
    "observability": "metrics-server,prometheus,otel-collector,jaeger",
    "delivery": "flux,tekton",
    "serverless": "keda",
    "apps": "podinfo,frontend",
}


def verified(
    answers: Mapping[str, str], *, only: Sequence[str] = (), choices: Choices = CHOICES
) -> tuple[list[WireResult], list[list[str]]]:
    """Run the checks against a kubectl with these answers, by a part of its command line."""
    calls: list[list[str]] = []

    def run(argv: Sequence[str | Path], **options: Any) -> Completed:
        words = [str(word) for word in argv]
        calls.append(words)
        assert options["env"] == {"KUBECONFIG": "/kube/config"}
        said = next((text for part, text in answers.items() if part in " ".join(words)), "")
        code = int(said.lower().startswith("error"))
        out, error = ("", said) if code else (said, "")
        return Completed(argv=tuple(words), returncode=code, stdout=out, stderr=error, duration_s=0)

    verifier = Verifier(
        kubectl="kubectl",
        contexts={"east": "kind-east", "west": "kind-west"},
        kubeconfig="/kube/config",
        run=run,
        until=once,
    )
    return list(verifier.verify(choices, NoSources(), only=only)), calls  # type: ignore[arg-type]


def test_a_right_answer_passes_in_each_cluster() -> None:
    answers = {"external.metrics": '"value":"3"', "get scaledobject": "True", "readyReplicas": "2"}
    results, calls = verified(answers, only=["scaling"])
    assert [(one.cluster, one.passed) for one in results] == [("east", True)] * 3 + [("west", True)] * 3
    assert {words[1] for words in calls} == {"--context=kind-east", "--context=kind-west"}
    # The request that shall start podinfo comes before the question.
    east = [" ".join(words) for words in calls if words[1] == "--context=kind-east"]
    for request, question, part in zip(east[::2], east[1::2], answers, strict=True):
        assert "services/ingress-istio:80/proxy/podinfo/" in request
        assert part in question


def test_a_cut_wire_fails_and_says_what_was_seen() -> None:
    results, _ = verified({"get scaledobject": "False", "readyReplicas": ""}, only=["scaling"])
    assert not any(one.passed for one in results)
    assert results[1].seen == "False"
    assert results[2].seen == "no answer"
    assert results[1].command.startswith("kubectl --context=kind-east --namespace=test get scaledobject podinfo")


def test_clusters_with_different_anchors_fail() -> None:
    answers = {"--context=kind-east --namespace=test get configmap": "BEGIN CERTIFICATE one"}
    answers |= {"--context=kind-west --namespace=test get configmap": "BEGIN CERTIFICATE two"}
    results, _ = verified(answers, only=["trust"])
    assert [one.passed for one in results] == [True, False]
    assert results[1].seen == "the other clusters have another answer"


def test_the_name_in_an_error_is_no_answer() -> None:
    missing = 'Error from server (NotFound): secrets "istio-remote-secret-west" not found'
    results, _ = verified({"istio-remote-secret": missing}, only=["links"])
    assert not any(one.passed for one in results)
    assert missing in results[0].seen


_THE_API_SERVERS = "error: You must be logged in to the server (Unauthorized)"


def test_a_refusal_must_be_an_error_of_who_shall_refuse() -> None:
    given = {"authentication": "oauth2-proxy", "observability": "prometheus"}
    behind, direct = "services/ingress-istio:80/proxy/prometheus", "services/prometheus:9090/proxy"
    answers = {
        "sign_in": '<form method="GET" action="/oauth2/start">',
        direct: "Prometheus Server is Healthy.",
        behind: "error: the server has asked for the client to provide credentials",
    }
    results, _ = verified(answers, only=["guard"], choices=of(given, source="x"))
    assert all(one.passed for one in results)
    for wrong in ("Prometheus Server is Healthy.", "Error (NotFound)", "a page about credentials", _THE_API_SERVERS):
        results, _ = verified({**answers, behind: wrong}, only=["guard"], choices=of(given, source="x"))
        assert [one.passed for one in results] == [True, True, False] * 2


def test_no_check_passes_without_an_answer() -> None:
    results, _ = verified({}, choices=of(EVERYTHING, source="x"))
    assert [one for one in results if one.passed] == []


def test_all_wires_are_checked() -> None:
    results, _ = verified({})
    assert {one.wire for one in results} == {wire.id for wire in wires(CHOICES)}
    assert not any(one.passed for one in results)


def choice(*chosen: str) -> ClusterChoice:
    return ClusterChoice(chosen=frozenset(chosen), cluster="east", clusters=("east",), sources=NoSources())  # type: ignore[arg-type]


GOOD = "test=istio-validation istio-proxy podinfo\ntest=istio-proxy frontend\nkeda= keda\nistio-ingress= istio-proxy\n"


@pytest.mark.parametrize(
    ("pods", "right"),
    [
        (
            GOOD,
            True,
        ),
        ("test= podinfo\nistio-ingress= istio-proxy\n", False),
        ("test=istio-proxy podinfo\ntest= frontend\n", False),
        ("test=istio-proxy podinfo\nkeda=istio-proxy keda\n", False),
        ("kube-system= coredns\nauth=istio-proxy a\ntest=istio-proxy podinfo\n", False),
        ("", False),
    ],
)
def test_injection_is_checked_in_both_directions(pods: str, right: bool) -> None:
    check, _ = injection.WIRE.checks(choice("istio", "podinfo"))
    assert bool(re.search(check.expects, pods)) is right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.5,"3"]}]}}', True),
        ('{"data":{"result":[{"metric":{},"value":[1.5,"0.5"]}]}}', True),
        ('{"data":{"result":[{"metric":{},"value":[1.5,"0"]}]}}', False),
        ('{"data":{"result":[]}}', False),
    ],
)
def test_a_metric_above_zero_is_needed(answer: str, right: bool) -> None:
    (check,) = metrics.WIRES[1].checks(choice("istio", "prometheus"))
    assert bool(re.search(check.expects, answer)) is right


def test_the_commands_of_checks_are_one_line_each_for_a_shell() -> None:
    for wire in WIRES:
        if wire.id in {"trust", "links", "certificates"}:
            continue
        ids = {next(iter(sorted(end))) for end in wire.ends} | {"istio", "istio-gateway", "podinfo", "prometheus"}
        for check in wire.checks(choice(*ids)):
            re.compile(check.expects)
            for words in (*check.before, check.ask):
                assert "\n" not in command_line("east", words)


@pytest.mark.parametrize("ingress", sorted(INGRESSES))
def test_keda_counts_podinfo_s_requests_at_the_ingress(ingress: str) -> None:
    (part,) = scaling.WIRE.parts(choice(ingress, "keda", "prometheus", "podinfo"))
    (trigger,) = part.objects[0]["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert query.count("podinfo") == 2
    assert "or vector(0)" in query
    assert INGRESSES[ingress].counter in query
    assert trigger["metadata"]["serverAddress"].endswith(".svc.cluster.local:9090/prometheus")


def contexts_checked(kubeconfig: str, done: Completed) -> UsageError:
    verifier = Verifier(kubectl="kubectl", contexts={"east": "a"}, kubeconfig=kubeconfig, run=lambda *_, **__: done)
    with pytest.raises(UsageError) as refused:
        verifier.check_contexts()
    assert refused.value.where == kubeconfig
    assert "--kubeconfig FILE" in (refused.value.next or "")
    return refused.value


def test_a_kubeconfig_that_kubectl_cannot_read_has_kubectl_s_error() -> None:
    error = "error: error loading config file:\n yaml: line 3\n"
    done = Completed(argv=("kubectl",), returncode=1, stdout="", stderr=error, duration_s=0)
    what = contexts_checked(__file__, done).what
    assert what == "kubectl cannot read the kubeconfig: error: error loading config file: yaml: line 3"


@pytest.mark.parametrize("files", ["nowhere", "nowhere:nor-here", ":"])
def test_a_missing_kubeconfig_is_named(files: str) -> None:
    done = Completed(argv=("kubectl",), returncode=0, stdout="", stderr="", duration_s=0)
    assert contexts_checked(files, done).what == "there is no such kubeconfig"


@pytest.mark.parametrize(
    ("west", "what"),
    [
        ("west", "kubectl has no context west for west; it has: kind-east, alias, other"),
        ("alias", "alias of west and kind-east of east are contexts of the same cluster"),
        ("other", None),
    ],
)
def test_contexts_that_kubectl_does_not_have_or_of_one_cluster_are_refused_at_once(west: str, what: str | None) -> None:
    by_context = {"kind-east": "kind-east", "alias": "kind-east", "other": "other"}
    entries = [{"name": name, "context": {"cluster": cluster, "user": "me"}} for name, cluster in by_context.items()]

    def run(argv: Sequence[str | Path], **_: Any) -> Completed:
        words = tuple(str(word) for word in argv)
        assert words == ("kubectl", "config", "view", "--output=json")
        return Completed(argv=words, returncode=0, stdout=json.dumps({"contexts": entries}), stderr="", duration_s=0)

    contexts = {"east": "kind-east", "west": west}
    verifier = Verifier(kubectl="kubectl", contexts=contexts, kubeconfig=f"nowhere:{__file__}", run=run)
    if what is None:
        verifier.check_contexts()
        return
    with pytest.raises(UsageError) as refused:
        verifier.check_contexts()
    assert refused.value.what == what
    assert (refused.value.next or "").startswith("--cluster west=CONTEXT")


@pytest.mark.parametrize("view", ["", '{"contexts": null}'])
def test_a_kubeconfig_without_contexts_is_named(view: str) -> None:
    done = Completed(argv=("kubectl",), returncode=0, stdout=view, stderr="", duration_s=0)
    assert contexts_checked(__file__, done).what == "kubectl has no context a for east; it has: none"


def test_a_command_that_hangs_is_an_answer_that_is_wrong() -> None:
    def run(argv: Sequence[str | Path], **options: Any) -> Completed:
        raise CommandTimeout([str(word) for word in argv], timeout_s=options["timeout_s"])

    contexts = {"east": "kind-east", "west": "kind-west"}
    verifier = Verifier(kubectl="kubectl", contexts=contexts, kubeconfig="/kube/config", run=run, until=once)
    results = list(verifier.verify(CHOICES, NoSources(), only=["trust"]))  # type: ignore[arg-type]
    assert [one.passed for one in results] == [False, False]
    assert "did not end within 20 s" in results[0].seen


def test_a_request_has_the_query_that_the_readme_shows_and_no_other() -> None:
    _, calls = verified({})
    assert [words for words in calls if any("timeout" in word for word in words)] == []
