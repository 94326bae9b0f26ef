"""Choices → all files of the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.initialize import apply, forms, images, references, secrets
from lab.initialize.alternatives import check
from lab.initialize.choices import FILE_NAME, Choices
from lab.initialize.model import Sources
from lab.initialize.readme import readme
from lab.initialize.tree import Tree, cluster_choices, tree

README, IMAGES, APPLY = "README.md", "IMAGES.txt", "apply.sh"
_CRDS = "/crds.yaml"


@dataclass(frozen=True, kw_only=True)
class RenderedFolder:
    """All files by path, the YAML that they contain, and sentences about what they do not have."""

    files: Mapping[str, str]
    tree: Tree
    warnings: Sequence[str]


def artifacts(choices: Choices) -> tuple[str, ...]:
    """Return the artifacts that the choices need, each once."""
    return tuple(dict.fromkeys(name for option in choices.options for name in option.manifests))


def render(choices: Choices, sources: Sources) -> RenderedFolder:
    """Return the files.

    Raises:
        UsageError: the combination is impossible.
        ArtifactError: the YAML of an option is missing, or has changed so that it cannot be edited.
    """
    check(choices)
    choices = references.with_references(choices, sources)
    made = tree(choices, sources)
    by_cluster = cluster_choices(choices, sources)
    named = sorted({*_images(choices, made, sources)})
    files = {path: _in_registry(path, text, named, choices) for path, text in made.files.items()}
    script = secrets.script(choices, by_cluster, sources.anchor_command)
    if choices.form in {"argocd", "flux"}:
        steps = list(forms.controller_steps(choices, made, by_cluster))
    else:
        steps = apply.steps(choices, made, by_cluster)
    if choices.form == "helmfile":
        files[forms.HELMFILE] = forms.helmfile(choices, {name: made.stages(name) for name in choices.clusters})
    files |= {
        README: readme(choices, by_cluster, steps, programs=_programs(script + apply.script(choices, steps))),
        IMAGES: images.listing(named, choices.registry),
        FILE_NAME: choices.toml(),
        APPLY: apply.script(choices, steps),
        **({apply.SECRETS: script} if script else {}),
    }
    return RenderedFolder(
        files=dict(sorted(files.items())), tree=made, warnings=[*references.warnings(choices, sources)]
    )


def _images(choices: Choices, made: Tree, sources: Sources) -> Iterator[str]:
    for of in made.objects.values():
        for objects in of.values():
            yield from (image for obj in objects for image in images.container_images(obj))
    text = "".join(text for path, text in made.files.items() if not path.endswith(_CRDS))
    yield from images.named_in(text, [*images.PUBLIC.values(), *sources.public_images])
    for option in choices.options:
        yield from option.images


def _in_registry(path: str, text: str, named: list[str], choices: Choices) -> str:
    return images.moved(text, named, choices.registry) if choices.registry and not path.endswith(_CRDS) else text


def _programs(script: str) -> list[str]:
    return [
        f"`{name}`"
        for name in ("istioctl", "linkerd", "helm")
        if re.search(rf"^ *{name} |\| {name} ", script, re.MULTILINE)
    ]
