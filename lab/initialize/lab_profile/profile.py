"""The profile of a lab: its choices, what `lab up` records of it, and what it changes in the lab's stack."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lab.base.files import write_atomic
from lab.base.paths import Paths
from lab.initialize import dashboards
from lab.initialize.choices import Choices, parse_query
from lab.initialize.ingresses import INGRESSES
from lab.initialize.lab_profile.extras import Extras, mesh_of
from lab.initialize.lab_profile.keys import USER
from lab.initialize.lab_profile.stack import ExtendedStack
from lab.initialize.model import ApplyStage
from lab.initialize.options.authentication import PROVIDER
from lab.initialize.tree import StageOwner
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.stacks import Stack


@dataclass(frozen=True, kw_only=True)
class LabProfile:
    """Implements `lab.lab.Extension`.

    Args:
        choices: what was chosen; None after `--profile none`, until the extras are removed.
        owners: stages and owners of the extras as `lab up` recorded them; None to find them in upstream's YAML.
        images: the artifacts of their images, recorded together with the owners.
    """

    choices: Choices | None
    owners: tuple[StageOwner, ...] | None = None
    images: tuple[str, ...] = ()
    _extras: dict[int, tuple[Lab, Extras]] = field(default_factory=dict, repr=False, compare=False, hash=False)

    def extended(self, stack: Stack) -> ExtendedStack | Stack:
        """Return a stack with the extras; the stack itself, if it is not the one of the profile's mesh."""
        if self.choices is not None and mesh_of(self.choices) != stack.name:
            return stack
        return ExtendedStack(
            stack,
            choices=self.choices,
            extras=self.extras,
            owners=self._owners_of,
            artifacts=self._artifacts,
        )

    def edited(self, lab: Lab, component: str, cluster: str, objects: Sequence[Obj]) -> Sequence[Obj]:
        """Return the objects of one of the stack's components as the profile has them."""
        return objects if self.choices is None else self.extras(lab).edited(component, cluster, objects)

    def extras(self, lab: Lab) -> Extras:
        """Return what the profile adds to a lab; the same value as long as the lab has the same store."""
        if self.choices is None:
            raise ValueError("this lab has no profile, and so no extras")
        # The lab is kept beside them, so that no other store gets the same identity.
        return self._extras.setdefault(id(lab.artifacts), (lab, Extras(lab, self.choices)))[1]

    def missing(self, lab: Lab) -> list[str]:
        """Return the artifacts with upstream's YAML that this machine does not have yet."""
        return [] if self.choices is None else self.extras(lab).missing

    def _owners_of(self, lab: Lab) -> tuple[StageOwner, ...]:
        return self.extras(lab).owners() if self.owners is None else self.owners

    def _artifacts(self, lab: Lab) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the artifacts with the YAML, and the images as far as they are known without it."""
        if self.choices is None:
            return (), ()
        if self.owners is not None:
            return self.extras(lab).manifests, self.images
        extras = self.extras(lab)
        return extras.manifests, () if extras.missing else extras.images()

    # As it is kept

    def remember(self, lab: Lab) -> None:
        """Record the profile, so that `lab up` and `lab status` without options find it."""
        lab.paths.ensure_state()
        query, owners, images = "", tuple[StageOwner, ...](), tuple[str, ...]()
        if self.choices is not None:
            query, owners, images = self.choices.query(), self.extras(lab).owners(), self.extras(lab).images()
        pairs = [[stage.value, owner] for stage, owner in owners]
        write_atomic(lab.paths.profile, json.dumps({"choices": query, "keys": pairs, "images": images}))

    def forget(self, paths: Paths) -> None:
        """Delete the record of a profile whose extras are removed."""
        if self.choices is None:
            paths.profile.unlink(missing_ok=True)
            paths.profile_keys.unlink(missing_ok=True)

    @classmethod
    def read(cls, paths: Paths) -> LabProfile | None:
        """Return the recorded profile; None if there is none.

        Raises:
            UsageError: another version of the lab wrote its choices.
            ValueError: the record is damaged.
        """
        try:
            raw = json.loads(paths.profile.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if not raw["choices"]:
            return cls(choices=None)
        owners = tuple((ApplyStage(stage), str(owner)) for stage, owner in raw["keys"])
        choices = parse_query(raw["choices"], source=str(paths.profile))
        return cls(choices=choices, owners=owners, images=tuple(map(str, raw["images"])))

    # For people

    def notes(self, lab: Lab) -> Iterator[str]:
        """Yield what a person does with the extras: the pages to open, and what the lab does not install."""
        if self.choices is None:
            return
        for name in lab.clusters:
            url = f"http://localhost:{lab.spec.clusters[name].ingress_port}"
            for page in dashboards.pages(self.choices.options) if self.choices.ids & {*INGRESSES} else ():
                if page.path:
                    yield f"{url}{page.path}: {page.title} of {name}"
        if PROVIDER in self.choices.ids:
            ask = "--namespace=auth get secret oidc-provider --output=jsonpath='{.data.users}'"
            yield f"log in as {USER}; the password is in: kubectl --context=east {ask} | base64 --decode"
        for option in self.choices.options:
            if option.reference:
                yield f"not installed: {option.title}. {option.reference[0]} The profile's README.md has the commands"
