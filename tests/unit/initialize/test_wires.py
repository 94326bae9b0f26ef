"""A wire's check is red when the wire is cut: old evidence, and that of another sender or source, does not count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from lab.initialize.model import ClusterChoice, WireCheck
from lab.initialize.options import observability
from lab.initialize.wires import WIRES, delivery, guard, injection, metrics, platform, questions, scaling, traces, trust
from tests.e2e.wire_cuts import CUTS


def choice(*chosen: str, cluster: str = "east", clusters: tuple[str, ...] = ("east", "west")) -> ClusterChoice:
    return ClusterChoice(chosen=frozenset(chosen), cluster=cluster, clusters=clusters, sources=None)  # type: ignore[arg-type]


def is_green(check: WireCheck, answer: str) -> bool:
    return bool(re.search(check.expects, answer))


# Traces

ISTIO = ("istio", "istio-gateway", "podinfo", "otel-collector")
SENDERS = {"traces-ingress": "ingress-istio.istio-ingress", "traces-mesh": "podinfo.test", "traces-apps": "podinfo"}
_BY_ID = {wire.id: wire for wire in WIRES}


def log(sender: str) -> str:
    """Return what the collector's debug exporter of verbosity `normal` prints for a span."""
    return (
        '2026-11-27T19:00:00.000Z\tinfo\tTraces\t{"resource spans": 1, "spans": 1}\n'
        f"2026-11-27T19:00:00.000Z\tinfo\tResourceTraces #0 [https://schema] service.name={sender} service.version=1\n"
        "ScopeTraces #0\n"
        "GET / 0123 4567 service.name=podinfo upstream_cluster=outbound|9898||podinfo.test.svc.cluster.local\n"
    )


@pytest.mark.parametrize("wire", SENDERS)
@pytest.mark.parametrize("also", [(), ("jaeger",)])
def test_a_check_of_traces_sees_only_its_own_sender_s_fresh_spans(wire: str, also: tuple[str, ...]) -> None:
    check, *_ = _BY_ID[wire].checks(choice(*ISTIO, *also))
    assert {sender: is_green(check, log(sender)) for sender in SENDERS.values()} == {
        sender: sender == SENDERS[wire] for sender in SENDERS.values()
    }
    assert "--since=30s" in check.ask
    assert f"deployment/{also[0] if also else 'otel-collector'}" in check.ask


@pytest.mark.parametrize(
    ("ingress", "sender"),
    [
        ("istio-gateway", "ingress-istio.istio-ingress"),
        ("envoy-gateway", "ingress.envoy-gateway-system"),
        ("emissary", "ambassador"),
        ("traefik", "traefik"),
    ],
)
def test_each_ingress_has_its_name_in_traces(ingress: str, sender: str) -> None:
    (check,) = traces.WIRES[0].checks(choice("istio", ingress, "otel-collector", "podinfo"))
    assert is_green(check, log(sender))
    assert not is_green(check, log(f"{sender}.other"))
    assert check.before


def test_without_podinfo_the_gateway_is_the_mesh_s_sender() -> None:
    (check,) = traces.WIRES[1].checks(choice("istio", "istio-gateway", "otel-collector"))
    assert is_green(check, log("ingress-istio.istio-ingress"))
    assert [*traces.WIRES[1].checks(choice("istio", "otel-collector"))] == []


def test_jaeger_must_show_the_sender_too() -> None:
    _, shown = traces.WIRES[2].checks(choice(*ISTIO, "jaeger"))
    assert is_green(shown, '{"data":["jaeger","podinfo"],"total":2}')
    assert not is_green(shown, '{"data":["jaeger","podinfo.test"],"total":2}')


def config(option: str, *chosen: str) -> Mapping[str, Any]:
    """Return the configuration in an option's ConfigMap."""
    parts = next(one for one in observability.OBSERVABILITY_CATEGORY.options if one.id == option).parts(choice(*chosen))
    (text,) = (obj["data"]["config.yaml"] for part in parts for obj in part.objects if obj["kind"] == "ConfigMap")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


@pytest.mark.parametrize(("option", "chosen"), [("otel-collector", ISTIO), ("jaeger", (*ISTIO, "jaeger"))])
def test_the_last_receiver_logs_the_senders_of_spans(option: str, chosen: tuple[str, ...]) -> None:
    found = config(option, *chosen)
    assert "debug" in found["service"]["pipelines"]["traces"]["exporters"]
    assert found["exporters"]["debug"]["verbosity"] == "normal"


# Metrics


def test_the_collector_forgets_what_it_does_not_measure_any_more_within_two_minutes() -> None:
    found = config("otel-collector", *ISTIO)
    kept = int(found["exporters"]["prometheus"]["metric_expiration"].removesuffix("s"))
    every = int(found["receivers"]["prometheus"]["config"]["global"]["scrape_interval"].removesuffix("s"))
    assert 2 * every < kept
    assert kept + 2 * every <= 120


@pytest.mark.parametrize("store", ["prometheus", "otel-collector"])
@pytest.mark.parametrize("wire", metrics.WIRES, ids=lambda one: one.id)
def test_a_check_of_metrics_asks_for_the_present_value_after_a_request(wire: Any, store: str) -> None:
    (check,) = wire.checks(choice("istio", "istio-gateway", "podinfo", "keda", store))
    assert [" ".join(words) for words in check.before] == [
        "get --raw=/api/v1/namespaces/istio-ingress/services/ingress-istio:80/proxy/podinfo/"
    ]
    assert "%5B" not in " ".join(check.ask)


@pytest.mark.parametrize(
    ("wire", "line", "right"),
    [
        (0, 'envoy_cluster_upstream_rq_total{cluster_name="a",namespace="istio-ingress",pod="x"} 3', True),
        (0, 'envoy_cluster_upstream_rq_total{cluster_name="a",namespace="test",pod="x"} 3', False),
        (0, 'envoy_cluster_upstream_rq_total{exported_namespace="istio-ingress",namespace="test"} 3', False),
        (1, 'pilot_xds{job="pods",namespace="istio-system"} 1', True),
        (2, 'http_requests_total{job="pods",namespace="test",status="200"} 7', True),
        (2, 'http_requests_total{job="pods",namespace="test",status="200"} 0', False),
        (2, 'http_requests_total{job="pods",namespace="other"} 7\nup{namespace="test"} 1', False),
        (2, "# TYPE http_requests_total counter", False),
    ],
)
def test_the_collector_must_show_the_metric_of_the_wire_s_own_pods(wire: int, line: str, right: bool) -> None:
    (check,) = metrics.WIRES[wire].checks(choice("istio", "istio-gateway", "podinfo", "otel-collector"))
    assert is_green(check, f"# HELP x\n{line}\n") is right


def test_linkerd_s_proxies_are_not_mistaken_for_other_pods() -> None:
    (check,) = metrics.WIRES[1].checks(choice("linkerd", "emissary", "otel-collector"))
    assert is_green(check, 'process_start_time_seconds{job="linkerd-proxies",pod="a"} 1.7e+09\n')
    assert not is_green(check, 'process_start_time_seconds{job="pods",pod="podinfo"} 1.7e+09\n')
    (check,) = metrics.WIRES[0].checks(choice("linkerd", "emissary", "prometheus"))
    assert check.ask == questions.prometheus('count(up{job="pods",namespace="emissary"} == 1)')


# The others


def test_keda_is_asked_for_the_number_itself_and_a_missing_object_is_red() -> None:
    number, active, _ = scaling.WIRE.checks(choice("keda", "prometheus", "istio-gateway", "podinfo"))
    assert is_green(number, '{"items":[{"metricName":"s0-prometheus","metricLabels":null,"value":"2"}]}')
    assert not is_green(number, '{"items":[{"metricName":"s0-prometheus","metricLabels":null,"value":"0"}]}')
    assert "labelSelector=scaledobject.keda.sh%2Fname%3Dpodinfo" in number.ask[1]
    assert 'type=="Active"' in active.ask[-1]
    assert number.before == active.before != ()


def test_another_page_is_not_oauth2_proxy_s() -> None:
    check, *_ = guard.BY_PROXY.checks(choice("istio-gateway", "oauth2-proxy"))
    assert is_green(check, '<form method="GET" action="/oauth2/start">')
    assert not is_green(check, "<!DOCTYPE html><title>frontend</title>")


def test_the_pod_of_before_a_change_is_not_metrics_server_s_proof() -> None:
    top, rollout = platform.WIRES[0].checks(choice("metrics-server"))
    assert is_green(top, "east-control-plane   120m   1%   900Mi   5%\n")
    assert not is_green(top, "a   120m   1%   900Mi   5%\nb   <unknown>   <unknown>   <unknown>   <unknown>\n")
    assert is_green(rollout, "1 1 1 1")
    assert not is_green(rollout, "1 2 1 1")
    assert not is_green(rollout, "1 1 1 ")


def test_the_end_of_an_old_run_is_not_tekton_s_only_proof() -> None:
    _, controller = platform.WIRES[1].checks(choice("tekton"))
    assert "tekton-pipelines-controller" in controller.ask
    assert not is_green(controller, "")


@pytest.mark.parametrize("revision", ["latest@sha256:0a", "main@sha1:0b"])
def test_flux_must_have_applied_what_it_has_pulled_and_run(revision: str) -> None:
    *_, applied, running = delivery.WIRES[0].checks(choice("flux"))
    assert is_green(applied, f"{revision} {revision} ")
    assert not is_green(applied, f"{revision} {revision}0 ")
    assert not is_green(applied, f"{revision}  ")
    assert not is_green(applied, "  ")
    assert is_green(running, "1 1 ")
    assert not is_green(running, "1  ")


def test_argo_cd_must_run() -> None:
    _, running = delivery.WIRES[1].checks(choice("argocd"))
    assert is_green(running, "1 1 ")
    assert not is_green(running, " 1 ")


def test_credentials_without_a_connection_are_not_a_link() -> None:
    _, synced = trust.WIRES[1].checks(choice("istio", "east-west"))
    metric = 'istiod_remote_cluster_sync_status{cluster="%s",cluster_type="remote",status="%s"} %d\n'
    assert is_green(synced, metric % ("west", "syncing", 0) + metric % ("west", "synced", 1))
    assert not is_green(synced, metric % ("west", "syncing", 1) + metric % ("west", "synced", 0))
    assert not is_green(synced, metric % ("north", "synced", 1))


def test_a_gateway_that_does_not_answer_is_not_a_link() -> None:
    (gateway,) = trust.WIRES[1].checks(choice("linkerd", "podinfo", "east-west"))
    assert is_green(gateway, "ready\n")
    assert not is_green(gateway, "")


def test_answers_of_another_cluster_are_not_a_link() -> None:
    chosen = ("linkerd", "podinfo", "frontend", "emissary", "east-west")
    *_, asked = trust.WIRES[1].checks(choice(*chosen, cluster="west"))
    assert is_green(asked, '{"totals":{"by_cluster":{"east":3}}}')
    assert not is_green(asked, '{"totals":{"by_cluster":{"east":2,"west":1}}}')
    assert not is_green(asked, '{"totals":{"by_cluster":{}}}')
    scaled = trust.WIRES[1].checks(choice(*chosen, "keda", cluster="west"))
    assert "frontend" not in " ".join(check.proves for check in scaled)


def test_the_listener_must_have_found_the_certificate() -> None:
    _, found = trust.WIRES[2].checks(choice("cert-manager", "contour"))
    assert found.ask[:4] == ("--namespace=projectcontour", "get", "gateways.gateway.networking.k8s.io", "ingress")
    assert '@.name=="https"' in found.ask[-1]


@pytest.mark.parametrize(("mesh", "proxy"), [("istio", "istio-proxy"), ("linkerd", "linkerd-proxy")])
def test_a_new_pod_must_get_the_proxy(mesh: str, proxy: str) -> None:
    _, new = injection.WIRE.checks(choice(mesh, "podinfo"))
    assert "--dry-run=server" in new.ask
    assert is_green(new, f"init {proxy} injection")
    assert not is_green(new, " injection")


# The cuts of the tests on clusters


@pytest.mark.parametrize("wire", ["routing", "guard", "traces-mesh", "scaling", "flux", "tasks"])
def test_a_cut_deletes_an_object_of_its_wire(wire: str) -> None:
    given = choice(
        "istio", "istio-gateway", "podinfo", "frontend", "prometheus", "oauth2-proxy", "keda", "otel-collector"
    )
    objects = {
        (obj["metadata"]["namespace"], obj["kind"].lower(), obj["metadata"]["name"])
        for part in _BY_ID[wire].parts(given)
        for obj in part.objects
    }
    calls: list[tuple[str, ...]] = []

    def kubectl(*words: str) -> str:
        calls.append(words)
        return ""

    CUTS[wire].cut(kubectl)
    ((_, namespace, verb, kind, name, *_),) = calls
    assert verb == "delete"
    assert (namespace, kind, name) in objects
