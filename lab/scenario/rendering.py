"""Render scenarios for one lab and one stack: the names of the lab in every text, and the stack's own commands.

| placeholder | value |
| --- | --- |
| {east}, {west} | name of the cluster in this role, which is also its context |
| {east_url}, {west_url} | URL of its ingress on this machine |
| {east_node}, {west_node} | its node container |
| {east_replicas}, {west_replicas} | its number of podinfo's pods |
| {east_domain}, {west_domain} | its trust domain |
| {third}, {third_node} | the cluster that a scenario lets join, and its node |
| {gateways} | number of pods of each east-west gateway |
| {distance} | options of `lab network` that restore lab.toml's distance between the roles' clusters |
| {namespace} | namespace of the applications |
| {apps} | folder of the sample applications |
| {work} | folder for files that steps create |
| {card} | card number of the isolation scenario |

All other text in braces, such as JSON, stays as it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import config
from lab.base.names import NAMESPACE, ROLES, node_name
from lab.base.paths import APPS, PROJECT, Paths
from lab.config import LabSpec, joined
from lab.lab import Lab
from lab.scenario import card, manifests
from lab.scenario.actions import Action, Apply, Command, Delete, kubectl_command, of_stack
from lab.scenario.manifests import Manifests
from lab.scenario.model import Scenario

_PROBES = "frontend"
"""The artifact whose image the scenarios' probes have."""
_NO_URL = "http://no-address-yet.invalid"
"""The URL of an existing cluster's frontend before `lab up`."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The lab and the stack for which scenarios are rendered.

    Args:
        spec: the lab's specification.
        stack: the stack's name.
        paths: the lab's paths.
        scenarios: the folder with all scenarios.
        lab_id: the lab's id.
        image: returns the image of the scenarios' probes.
        urls: the URLs of the clusters' frontends; by default at their ports of this machine.
        here: the working directory of the commands.
    """

    spec: LabSpec
    stack: str
    paths: Paths
    scenarios: Path
    lab_id: str = ""
    image: Callable[[], str] = field(default=lambda: "{image}", compare=False, repr=False)
    urls: Mapping[str, str] = field(default_factory=dict)
    here: Path = field(default_factory=Path.cwd)

    @classmethod
    def of(cls, lab: Lab, stack: str, scenarios: Path) -> Target:
        """Return the target for a lab on this machine."""
        return cls(
            spec=lab.spec,
            stack=stack,
            paths=lab.paths,
            scenarios=scenarios,
            lab_id=lab.id,
            image=lambda: lab.artifacts.pulled_as(_PROBES) if lab.spec.existing else lab.artifacts.image(_PROBES),
            urls={name: lab.page_url(name) or _NO_URL for name in lab.clusters},
        )

    @cached_property
    def values(self) -> Mapping[str, str]:
        """The values of the placeholders in texts and commands."""
        values = {
            "namespace": NAMESPACE,
            "gateways": str(self.spec.ha.gateways),
            "distance": self._distance,
            "apps": self.shown(APPS),
            "work": self.shown(self.paths.work),
            "card": card.number(self.lab_id),
        }
        for role, name in self.names.items():
            values[role] = name
            values[f"{role}_url"] = self.urls.get(name, f"http://localhost:{self.spec.clusters[name].ingress_port}")
            values[f"{role}_node"] = node_name(self.spec.name, name)
            values[f"{role}_domain"] = self.spec.clusters[name].trust_domain
            values[f"{role}_replicas"] = str(self.spec.clusters[name].podinfo.replicas)
        values["third"] = self.third
        values["third_node"] = node_name(self.spec.name, self.third)
        return values

    @property
    def _distance(self) -> str:
        ends = set(self.names.values())
        wanted = (link.distance.options for link in self.spec.links if set(link.between) == ends)
        return next(wanted, "--clear")

    @property
    def third(self) -> str:
        """The cluster that a scenario lets join."""
        return joined.spare_name(self.spec)

    @property
    def names(self) -> Mapping[str, str]:
        """The cluster in each role."""
        return {role: getattr(self.spec.roles, role) for role in ROLES}

    def text(self, text: str) -> str:
        """Return a text with values in place of its placeholders."""
        return _PLACEHOLDER.sub(lambda match: self.values.get(match[1], match[0]), text)

    def manifests(self, scenario: str) -> Manifests:
        """Return the manifest files of a scenario."""
        return Manifests(
            folder=self.scenarios,
            scenario=scenario,
            stack=self.stack,
            names={**self.names, manifests.THIRD: self.third},
            domains={role: self.spec.clusters[name].trust_domain for role, name in self.names.items()},
            image=self.image,
            copies=self.paths.manifests,
        )

    def shown(self, path: Path) -> str:
        """Return a path as a person types it, quoted: relative to the working directory, or to the home folder."""
        if path.is_relative_to(self.here):
            return shlex.quote(str(path.relative_to(self.here)))
        try:
            inside = path.relative_to(Path.home())
        except (ValueError, RuntimeError):  # elsewhere; or this user has no home folder
            return shlex.quote(str(path))
        return f"~/{shlex.quote(str(inside))}"  # a shell does not expand a quoted `~`

    def scenario(self, scenario: Scenario) -> Scenario:
        """Return a scenario as it runs here: with concrete commands, and no placeholders."""
        files = self.manifests(scenario.name)
        rendered: Scenario = self._rendered(scenario, files)
        return rendered

    def _actions(self, actions: Sequence[Action], files: Manifests) -> tuple[Action, ...]:
        concrete = []
        for action in of_stack(actions, self.stack):
            if isinstance(action, Apply | Delete):
                context = self.names[action.to if isinstance(action, Apply) else action.of]
                text = kubectl_command(action, context, [self.shown(files.path(name)) for name in action.files])
                concrete.append(Command(text, manifests=action.files))
            else:
                concrete.append(self._rendered(action, files))
        return tuple(concrete)

    def _rendered(self, value: Any, files: Manifests) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            if value and all(isinstance(item, Action) for item in value):
                return self._actions(value, files)
            return tuple(self._rendered(item, files) for item in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: self._rendered(getattr(value, f.name), files) for f in fields(value)})
        return value


def documented(stack: str, scenarios: Path) -> Target:
    """Return the target of the walkthrough pages: the default lab, in a checkout."""
    paths = Paths(cache=PROJECT / "cache", state=Path.home() / ".local" / "state" / "eastwest-lab" / "eastwest")
    return Target(spec=config.parse(""), stack=stack, paths=paths, scenarios=scenarios, here=PROJECT)
