"""Previews: rendered once, kept for a while; YAML that is missing is obtained once, and what fails is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.base import wait
from lab.base.errors import ArtifactError, UsageError
from lab.base.wait import NotYet
from lab.initialize.sources import StoreSources
from lab.stage.initializer import previews as module
from tests.unit.stage.initializer.kit import SMALL, Arrivals, previews

ISTIO = "mesh=istio&ingress=istio-gateway"


def test_the_same_choices_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    real = module.render
    monkeypatch.setattr(module, "render", lambda choices, at: rendered.append(choices) or real(choices, at))
    shown = previews(tmp_path)
    first = shown.show(SMALL)
    assert shown.show(SMALL) == first
    assert shown.files(f"{SMALL}&platform=kind")["README.md"]
    assert len(rendered) == 1
    for platform in ("gke", "eks", "aks", "k3d", "minikube", "plain", "docker-desktop", "kind"):
        shown.files(f"{SMALL}&platform={platform}&clusters=single")
    assert shown.show(SMALL) == first
    assert len(rendered) == 10  # the first one was not kept among eight others


def test_missing_yaml_is_obtained_once_and_named_until_then(tmp_path: Path) -> None:
    arrivals = Arrivals()
    shown = previews(tmp_path, arrivals)
    answer = shown.show(ISTIO)
    assert (answer["files"], answer["failed"]) == (None, None)
    assert "istioctl" in answer["coming"]
    assert answer["selected"]["mesh"] == ("istio",)
    assert shown.show(ISTIO)["coming"] == answer["coming"]
    with pytest.raises(module.NotYetError):
        shown.files(ISTIO)
    assert shown.show(SMALL)["files"]  # others need not wait
    arrivals.may_end.set()
    wait.until(
        "all were asked for", lambda: set(answer["coming"]) <= {*arrivals.asked} or NotYet("not yet"), timeout_s=60
    )
    assert arrivals.asked[: len(answer["coming"])] == answer["coming"]


@pytest.mark.parametrize("error", [ArtifactError("no source has istioctl", next="lab artifacts list"), None])
def test_what_cannot_be_obtained_is_told_until_a_person_tries_again(
    tmp_path: Path, error: ArtifactError | None
) -> None:
    arrivals = Arrivals(error=error or ValueError("a defect"))  # type: ignore[arg-type]
    shown = previews(tmp_path, arrivals)
    shown.show(ISTIO)

    def failed() -> bool | NotYet:
        return bool(shown.show(ISTIO)["failed"]) or NotYet("not yet")

    wait.until("the failure", failed, timeout_s=60, interval_s=0.01)
    told = shown.show(ISTIO)
    assert ("no source has istioctl" if error else "a defect") in told["failed"]["what"]
    assert told["failed"]["next"]
    assert told["coming"] == []
    count = len(arrivals.asked)
    shown.show(ISTIO)
    assert len(arrivals.asked) == count
    shown.show(ISTIO, again=True)
    wait.until("another try", lambda: len(arrivals.asked) > count or NotYet("not yet"), timeout_s=60, interval_s=0.01)


def test_a_wrong_query_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        previews(tmp_path).show("mesh=linkered")
    with pytest.raises(UsageError, match="impossible"):
        previews(tmp_path).files("mesh=none")


def test_what_the_folder_does_not_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_: StoreSources, artifact: str) -> ArtifactError | None:
        return ArtifactError(f"{artifact} is unavailable here") if artifact == "emissary-chart" else None

    monkeypatch.setattr(StoreSources, "unavailable", unavailable)
    shown = previews(tmp_path).show("mesh=none&ingress=emissary&apps=podinfo")
    assert shown["files"]
    (sentence,) = shown["referenced"]
    assert "Emissary-ingress" in sentence
    assert "emissary-chart is unavailable here" in sentence
    assert previews(tmp_path).show(SMALL)["referenced"] == []
