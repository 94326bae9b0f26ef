"""The choice of a stack, and the properties of all stacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from lab import config, stacks
from lab.base.errors import ArtifactError, ConfigError, UnavailableError, UsageError
from lab.base.names import STACKS as NAMES
from lab.base.paths import PROJECT
from lab.lab import Lab
from lab.stacks import STACKS


@dataclass
class Artifacts:
    """A store that lacks some artifacts of Linkerd, or of every stack."""

    missing: tuple[str, ...] = ()
    everywhere: bool = False
    asked: list[str] = field(default_factory=list)
    loaded: tuple[str, ...] = ()

    def is_from_bundle(self, names: Iterable[str]) -> bool:
        return bool(self.loaded) and set(self.loaded).issuperset(names)

    def unobtainable(self, names: Iterable[str]) -> ArtifactError | None:
        self.asked += (names := list(names))
        lines = "\n  ".join(f"{name} is not here: looked in A" for name in self.missing)
        is_missing = self.missing and (self.everywhere or "linkerd" in names)
        return ArtifactError(lines, next="pull them") if is_missing else None


def with_stack(lab: Lab, stack: str, *missing: str) -> Lab:
    spec = config.parse(f'name = "dev"\nstack = "{stack}"')
    return replace(lab, spec=spec, artifacts=Artifacts(missing))  # type: ignore[arg-type]


def test_auto_is_linkerd_if_all_artifacts_are_available(lab: Lab) -> None:
    choice = stacks.choose(with_stack(lab, "auto"))
    assert choice.stack.name == "linkerd"


def test_auto_is_istio_if_an_artifact_is_missing_and_names_it(lab: Lab) -> None:
    choice = stacks.choose(with_stack(lab, "auto", "proxy", "controller"))
    assert choice.stack.name == "istio"
    assert "proxy is not here: looked in A" in choice.reason
    assert "and 1 more" in choice.reason
    assert "\n" not in choice.reason


@pytest.mark.parametrize(("loaded", "chosen"), [(("istio",), "istio"), (("istio", "linkerd"), "linkerd")])
def test_auto_is_the_stack_of_the_loaded_bundle_and_no_source_is_searched(
    lab: Lab, loaded: tuple[str, ...], chosen: str
) -> None:
    auto = with_stack(lab, "auto")
    artifacts = Artifacts(loaded=tuple(name for one in loaded for name in STACKS[one].artifacts(auto)))
    after = replace(auto, artifacts=artifacts)  # type: ignore[arg-type]
    choice = stacks.choose(after)
    assert choice.stack.name == chosen
    assert choice.reason.endswith("from the loaded bundle")
    assert stacks.current(after) is choice.stack
    assert artifacts.asked == []


def test_linkerd_by_name_lists_every_missing_artifact(lab: Lab) -> None:
    with pytest.raises(UnavailableError, match="2 artifacts are missing") as raised:
        stacks.choose(with_stack(lab, "linkerd", "proxy", "controller"))
    assert "proxy is not here: looked in A\n  controller is not here" in raised.value.what
    assert raised.value.next == "pull them"
    assert raised.value.wanted == STACKS["linkerd"].artifacts(lab)


def test_viz_is_refused_for_a_stack_without_a_dashboard(lab: Lab) -> None:
    istio = with_stack(lab, "auto", "proxy")
    with pytest.raises(UsageError, match=r"Linkerd, and this lab is Istio .*proxy is not here") as raised:
        stacks.choose(replace(istio, spec=istio.spec.model_copy(update={"viz": True})))
    assert "--viz" in (raised.value.next or "")


def test_istio_by_name_checks_no_artifacts_of_other_stacks(lab: Lab) -> None:
    asked = with_stack(lab, "istio", "proxy")
    assert stacks.choose(asked).stack.name == "istio"
    assert tuple(asked.artifacts.asked) == STACKS["istio"].artifacts(lab)  # type: ignore[attr-defined]


def test_where_no_stack_is_available_each_is_named_with_its_reason(lab: Lab) -> None:
    nowhere = replace(with_stack(lab, "auto"), artifacts=Artifacts(("proxy",), everywhere=True))  # type: ignore[arg-type]
    words = r"no stack is available here: not the linkerd stack, because proxy .*; not the istio stack, because proxy"
    with pytest.raises(UnavailableError, match=words) as raised:
        stacks.choose(nowhere)
    assert raised.value.wanted == STACKS["linkerd"].artifacts(lab), "as near as the other one, and first"
    assert stacks.current(nowhere).name == "linkerd"  # `lab doctor` and `lab artifacts list` still work


def test_a_lab_that_is_up_keeps_its_stack(lab: Lab) -> None:
    stacks.remember(lab, STACKS["istio"])
    assert stacks.choose(with_stack(lab, "auto")).stack.name == "istio"
    assert stacks.current(with_stack(lab, "linkerd")).name == "istio"
    with pytest.raises(UsageError, match="brought up with the istio stack"):
        stacks.choose(with_stack(lab, "linkerd"))


def test_the_current_stack_may_have_missing_artifacts(lab: Lab) -> None:
    assert stacks.current(with_stack(lab, "linkerd", "proxy")).name == "linkerd"


def test_each_stack_is_a_folder_and_each_folder_a_stack() -> None:
    folders = {file.parent.name for file in (PROJECT / "lab" / "stacks").glob("*/stack.py")}
    assert set(NAMES) == folders == set(STACKS), "STACKS in lab/base/names.py lists the folders of lab/stacks"
    assert all(stack.name == name for name, stack in STACKS.items())


def test_the_configuration_and_the_choice_know_the_same_stacks() -> None:
    for name in STACKS:
        assert config.parse(f'stack = "{name}"').stack == name
    with pytest.raises(ConfigError, match=f"'auto', .* or '{NAMES[-1]}'"):
        config.parse('stack = "kuma"')


@pytest.mark.parametrize("stack", STACKS.values(), ids=lambda s: s.name)
def test_every_part_can_be_installed_in_the_order_given(lab: Lab, stack: stacks.Stack) -> None:
    parts = stack.components(lab)
    seen: set[str] = set()
    for name, part in parts.items():
        assert set(part.after) <= seen, f"{name} needs what comes later"
        seen.add(name)
    assert stack.control_plane in seen
    needed = {"podinfo", "frontend", "ingress", "namespaces"}
    assert needed <= seen, f"other parts of the lab name these components: {needed - seen}"


def test_linkerd_links_only_clusters_that_export_something(lab: Lab) -> None:
    stack = STACKS["linkerd"]
    assert [component.step for component in stack.link_components(lab, "west", "east")] == ["west/link-to-east"]
    assert stack.link_components(lab, "east", "west") == []
    both = replace(lab, spec=config.parse('[exports]\npodinfo = ["east", "west"]'))
    assert [component.step for component in stack.link_components(both, "east", "west")] == ["east/link-to-west"]


def test_each_stack_names_the_clusters_that_must_answer(lab: Lab) -> None:
    assert STACKS["istio"].answers(lab, "west") == {"podinfo": {"east", "west"}}
    assert STACKS["linkerd"].answers(lab, "west") == {"podinfo": {"west"}, "podinfo-east": {"east"}}
    assert STACKS["linkerd"].answers(lab, "east") == {"podinfo": {"east"}}
