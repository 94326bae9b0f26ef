"""Whatever is disabled on the page has a reason, and ways out that are possible and do something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.initialize.alternatives import FORM, alternatives, difference, is_possible
from lab.initialize.choices import FORMS, Choices, default, parse_query
from lab.initialize.options import BY_ID, OPTIONS
from lab.initialize.preview import Disabled, disabled, preview
from tests.contract.initialize.combinations import covering

EVERYTHING = (
    "mesh=linkerd&ingress=contour&certificates=cert-manager,trust-manager&authentication=oauth2-proxy,oidc-provider"
    "&observability=metrics-server,prometheus,otel-collector,jaeger,linkerd-viz&delivery=flux,tekton&as=flux"
    "&serverless=keda&apps=podinfo,frontend"
)
QUERIES = ("", "mesh=none&ingress=none", "mesh=linkerd&ingress=contour", "delivery=argocd&as=argocd", EVERYTHING)


def found(query: str, category: str, option: str) -> Disabled:
    shown = preview(parse_query(query)).disabled
    return next(one for one in shown if (one.category, one.option) == (category, option))


@pytest.mark.parametrize("query", QUERIES)
def test_every_alternative_is_possible_and_changes_something(query: str) -> None:
    choices = parse_query(query)
    assert is_possible(choices)
    shown = preview(choices)
    assert shown.disabled
    assert shown.problems == []
    for one in shown.disabled:
        assert one.reason.endswith(".")
        for instead in one.alternatives:
            then = parse_query(instead.query)
            assert is_possible(then)
            assert then != choices
            assert instead.words == difference(choices, then)
        assert len({instead.query for instead in one.alternatives}) == len(one.alternatives)


def reachable() -> Iterator[Choices]:
    """Yield possible choices that have each possible pair of choices, in each form."""
    for choices in covering()[0]:
        for form in FORMS:
            if is_possible(made := replace(choices, form=form)):
                yield made


def test_whatever_is_disabled_in_any_pair_of_choices_has_two_alternatives_that_are_possible() -> None:
    lacking, seen = [], set[tuple[str, str]]()
    for choices in reachable():
        for one in preview(choices).disabled:
            seen.add((one.category, one.option))
            ways = {way.query for way in one.alternatives}
            assert all(is_possible(parse_query(way)) for way in ways)
            assert choices.query() not in ways
            # The one exception: both successors are chosen, so there is nothing left to choose.
            done = {*OPTIONS[one.option].instead} <= choices.ids if one.option in OPTIONS else False
            if len(ways) != 2 and not (done and OPTIONS[one.option].instead):
                lacking.append((choices.query(), one))
    assert lacking == []
    free = {"platform", "clusters"}
    assert {category for category, _ in seen} == {*BY_ID, FORM} - free


def test_whatever_pair_is_impossible_has_two_ways_out() -> None:
    impossible = covering()[1]
    assert impossible
    for pair in impossible:
        choices = default().with_(dict(pair))
        for problem in preview(choices).problems:
            ways = {one.query for one in problem.alternatives}
            assert len(ways) == 2, (pair, problem)
            assert all(is_possible(parse_query(way)) for way in ways)


def test_a_retired_option_whose_successors_are_chosen_says_so() -> None:
    query = "observability=prometheus&apps=podinfo&serverless=keda,knative"
    openfaas = found(query, "serverless", "openfaas")
    assert openfaas.reason.endswith("Use KEDA or Knative Serving; KEDA and Knative Serving are chosen.")
    assert openfaas.alternatives == ()
    smi = found("", "mesh", "smi")
    assert smi.reason == "CNCF archived SMI in 2023. Use Istio or Linkerd; Istio is chosen."
    assert {parse_query(one.query).selected["mesh"] for one in smi.alternatives} == {("linkerd",)}


def test_an_alternative_adds_nothing_for_what_it_removes() -> None:
    (first, second) = preview(parse_query("mesh=none&ingress=istio-gateway&serverless=keda")).problems[0].alternatives
    assert first.words == "Choose Istio, Prometheus and podinfo"
    assert second.words == "Choose Istio; remove KEDA"


def test_what_others_need_can_be_removed_with_them_or_freed() -> None:
    manager = found("certificates=cert-manager,trust-manager", "certificates", "cert-manager")
    ways = ["Remove cert-manager and trust-manager", "Remove trust-manager"]
    assert [one.words for one in manager.alternatives] == ways


def test_an_alternative_keeps_what_was_chosen() -> None:
    jaeger = found("observability=prometheus,metrics-server", "observability", "jaeger")
    kept = parse_query(jaeger.alternatives[0].query).selected["observability"]
    assert kept == ("metrics-server", "prometheus", "otel-collector", "jaeger")
    assert jaeger.alternatives[0].words == "Choose the OpenTelemetry collector and Jaeger"


def test_rules_that_an_alternative_breaks_are_resolved_too() -> None:
    jwt = found("mesh=none&ingress=none", "authentication", "jwt")
    assert [one.words for one in jwt.alternatives] == [
        "Choose Istio, Gateway API on Istio, JWT at the edge and Prometheus",
        "Choose Envoy Gateway, JWT at the edge and Prometheus",
    ]


def test_what_others_need_cannot_be_removed_alone() -> None:
    podinfo = found(EVERYTHING, "apps", "podinfo")
    assert podinfo.reason.startswith("Without podinfo: ")
    then = parse_query(podinfo.alternatives[0].query)
    assert {"podinfo", "keda", "frontend"}.isdisjoint(then.ids)


def test_a_retired_option_offers_its_successors_with_what_they_need() -> None:
    nginx = found("", "ingress", "ingress-nginx")
    assert [parse_query(one.query).selected["ingress"] for one in nginx.alternatives] == [
        ("envoy-gateway",),
        ("contour",),
    ]


def test_the_same_option_of_two_categories_is_told_apart() -> None:
    assert {one.category for one in disabled(parse_query(EVERYTHING)) if one.option == "none"} == {"mesh", "ingress"}


def test_a_form_needs_its_controller() -> None:
    flux = found("", FORM, "flux")
    assert parse_query(flux.alternatives[0].query).form == "flux"
    assert "flux" in parse_query(flux.alternatives[0].query).ids
    controller = found("delivery=flux&as=flux", "delivery", "flux")
    assert controller.reason == "The form flux needs Flux."
    assert "kustomize" in {parse_query(one.query).form for one in controller.alternatives}


@pytest.mark.parametrize(
    "query",
    ["mesh=none", "as=argocd&delivery=flux", "delivery=argocd&source=oci://x/y", "serverless=keda&authentication=jwt"],
)
def test_an_impossible_address_has_a_way_out(query: str) -> None:
    choices = parse_query(query)
    shown = preview(choices)
    assert shown.problems
    for problem in shown.problems:
        assert len(problem.alternatives) == 2
        assert all(is_possible(parse_query(one.query)) for one in problem.alternatives)
    assert alternatives(choices, choices) == shown.problems[0].alternatives


def test_the_command_gives_the_same_choices() -> None:
    for query in QUERIES:
        choices = parse_query(query)
        words = choices.command("x").split()
        assert words[:3] == ["lab", "initialize", "x"]
        assert of_flags(words[3:]) == choices
        assert words[3:], "without a choice, the command would ask"


def of_flags(words: list[str]) -> Choices:
    from lab.initialize.choices import of

    flags = [word.removeprefix("--") for word in words[::2]]
    return of(dict(zip(flags, words[1::2], strict=True)), source="a test", base=default())
