"""Rules: each can be broken, and each of its alternatives is possible."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.initialize.alternatives import check
from lab.initialize.choices import Choices, default
from lab.initialize.model import Rule
from lab.initialize.options import CATEGORIES, OPTIONS
from lab.initialize.preview import disabled
from lab.initialize.rules import RULES, hopeless
from lab.initialize.wires import WIRES

BREAKING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "istio-gateway-needs-istio": {"mesh": ("none",)},
    "istio-has-its-own-ingress": {"ingress": ("contour",)},
    "trust-manager-needs-cert-manager": {"certificates": ("trust-manager",)},
    "one-guard": {"authentication": ("oauth2-proxy", "jwt"), "observability": ("prometheus",)},
    "jwt-needs-a-verifier": {
        "mesh": ("none",),
        "ingress": ("contour",),
        "authentication": ("jwt",),
        "observability": ("prometheus",),
    },
    "jwt-needs-a-dashboard": {"authentication": ("jwt",)},
    "oauth2-proxy-needs-an-ingress": {"ingress": ("none",), "authentication": ("oauth2-proxy",)},
    "provider-needs-oauth2-proxy": {"authentication": ("oidc-provider",)},
    "viz-needs-linkerd": {"observability": ("linkerd-viz",)},
    "jaeger-needs-the-collector": {"observability": ("jaeger",)},
    "keda-needs-podinfo": {"serverless": ("keda",), "observability": ("prometheus",)},
    "keda-needs-prometheus": {"serverless": ("keda",), "apps": ("podinfo",)},
    "keda-needs-an-ingress": {
        "ingress": ("none",),
        "serverless": ("keda",),
        "apps": ("podinfo",),
        "observability": ("prometheus",),
    },
    "frontend-needs-podinfo": {"apps": ("frontend",)},
    "one-reconciler": {"delivery": ("flux", "argocd")},
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_broken_alone_and_both_alternatives_are_possible(rule: Rule) -> None:
    broken = default().with_(BREAKING[rule.id])
    assert [one.id for one in broken.broken] == [rule.id]
    for alternative in rule.alternatives:
        assert check(broken.with_(alternative)).broken == []


def test_every_rule_has_a_case() -> None:
    assert {*BREAKING} == {rule.id for rule in RULES}


def test_options_that_would_break_a_rule_are_disabled_with_the_reason() -> None:
    reasons = {one.option: one for one in disabled(default())}
    assert [one.words for one in reasons["contour"].alternatives] == [
        "Choose Linkerd and Contour",
        "Choose no service mesh and Contour",
    ]
    assert "STRICT" in reasons["contour"].reason
    assert "prometheus" not in reasons
    assert "keda" in reasons


def test_an_option_that_is_not_disabled_can_be_chosen() -> None:
    start = default()
    off = {(one.category, one.option) for one in disabled(start)}
    for category in CATEGORIES:
        for option in category.options:
            if (category.id, option.id) in off:
                continue
            own = start.selected[category.id] if category.many else ()
            assert check(start.with_({category.id: (*own, option.id)}))


def test_wires_exist_only_if_both_ends_are_chosen() -> None:
    for wire in WIRES:
        assert wire.says.endswith(".")
        for end in wire.ends:
            assert end <= {*OPTIONS}
            others = frozenset(OPTIONS) - end
            assert not wire.exists(others)
        assert wire.exists(frozenset(OPTIONS))
    assert len({wire.id for wire in WIRES}) == len(WIRES)


def test_every_wire_has_a_check() -> None:
    # Checked with the real sources in tests/contract/initialize; here: none lacks the function.
    assert all(wire.checks is not type(wire).__dataclass_fields__["checks"].default for wire in WIRES)


def test_no_wire_without_a_choice() -> None:
    nothing = Choices(selected={one.id: ("none",) if one.default else () for one in CATEGORIES})
    assert nothing.wires(WIRES) == []


def test_a_rule_that_a_later_answer_fixes_is_not_hopeless() -> None:
    keda = frozenset({"istio", "istio-gateway", "keda"})
    assert [one.id for one in hopeless(keda, frozenset({"podinfo"}))] == ["keda-needs-prometheus"]
    assert list(hopeless(keda, frozenset({"podinfo", "prometheus"}))) == []
