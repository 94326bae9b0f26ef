"""The pages to open: README.md and `lab up --profile` name a dashboard only if the ingress routes to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.initialize.choices import of
from lab.initialize.dashboards import DASHBOARDS, PROTECTED, pages
from lab.initialize.options import OPTIONS
from lab.initialize.readme import readme
from lab.initialize.tree import cluster_choices
from tests.unit.initialize.lab_kit import of as profile_of
from tests.unit.initialize.lab_kit import with_profile

OBSERVERS = {"observability": "prometheus,otel-collector,jaeger"}


@pytest.mark.parametrize(
    ("authentication", "paths"),
    [
        ("none", []),
        ("jwt", ["/prometheus/", "/jaeger/"]),
        ("oauth2-proxy,oidc-provider", ["/oauth2/sign_in", "/prometheus/", "/jaeger/"]),
    ],
)
def test_the_readme_and_the_notes_have_the_same_pages(tmp_path: Path, authentication: str, paths: list[str]) -> None:
    choices = of({**OBSERVERS, "authentication": authentication}, source="a test")
    assert [page.path for page in pages(choices.options)] == paths
    text = readme(choices, cluster_choices(choices, None), [], programs=[])  # type: ignore[arg-type]
    shown = [line for line in text.splitlines() if line.startswith("- http://") and "/podinfo/" not in line]
    assert [line.partition(": ")[0].partition("localhost:8081")[2] for line in shown if ":8081/" in line] == paths
    lab = with_profile(tmp_path, f"?mesh=istio&observability=prometheus&authentication={authentication}")
    noted = [line for line in profile_of(lab).notes(lab) if "/prometheus/" in line]
    assert [line.endswith("/prometheus/: Prometheus of east") for line in noted] == ([True, False] if paths else [])


def test_a_dashboard_that_nothing_protects_has_its_own_command() -> None:
    choices = of({"observability": "otel-collector,jaeger", "clusters": "single"}, source="a test")
    text = readme(choices, cluster_choices(choices, None), [], programs=[])  # type: ignore[arg-type]
    forward = 'kubectl --context="$CONTEXT_EAST" --namespace=observability port-forward service/jaeger 16686'
    assert f"\n{forward}  # Jaeger of east: http://localhost:16686/jaeger/\n" in text
    assert "service/prometheus" not in text


def test_each_dashboard_is_the_page_of_its_option() -> None:
    assert {one.option for one in DASHBOARDS} == PROTECTED
    for one in DASHBOARDS:
        assert [url.path for url in OPTIONS[one.option].urls] == [one.path]
