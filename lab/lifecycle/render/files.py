"""Compute the files of `lab render` from the specification and the artifacts, without a request to any cluster.

The objects are those that `lab up` applies, without the lab's labels. Charts are rendered with keys that exist for the
time of the call only, so that no key of the lab can be in a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.base.names import NAMESPACE, Cluster
from lab.components.rendering import Rendering, kubectl
from lab.kube import manifests
from lab.kube.objects import Obj, Ref, rank, ref
from lab.lab import Lab
from lab.mesh.names import service_ref
from lab.stacks import Stack

_CRD = "CustomResourceDefinition"
_DEFINITIONS = frozenset({"Namespace", _CRD})
_CONDITIONS = {_CRD: "Established", "Gateway": "Programmed"}
"""Conditions of kinds that are ready by a condition."""
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_WAIT_S = 180


@dataclass(frozen=True, kw_only=True)
class RenderedFile:
    """One file: YAML for `kubectl apply`, or a script with commands."""

    path: str
    title: str
    content: str


@dataclass(frozen=True, kw_only=True)
class RenderedLab:
    """All files by cluster, in the order of apply, and sentences about what they do not contain."""

    clusters: dict[str, list[RenderedFile]]
    left_out: Sequence[str]


@dataclass(kw_only=True)
class _Part:
    """A component of one cluster; exports may change its objects."""

    name: str
    title: str
    rendering: Rendering
    public: list[Obj] = field(default_factory=list)


def files(lab: Lab, stack: Stack) -> RenderedLab:
    """Return the files of every cluster.

    Raises:
        ArtifactError: a program or chart that renders the objects is missing.
    """
    with tempfile.TemporaryDirectory(prefix="lab-render-") as folder:
        scratch = replace(lab, paths=replace(lab.paths, state=Path(folder)))
        parts = {name: list(_parts(scratch, stack, cluster)) for name, cluster in lab.clusters.items()}
    left_out = [sentence for of in parts.values() for part in of for sentence in part.rendering.left_out]
    for service, sources in lab.spec.exports.items():
        for source in sources:
            left_out += _export(lab, stack, parts, service, source)
    clusters = {name: list(_numbered(lab.clusters[name], parts[name])) for name in lab.clusters}
    return RenderedLab(clusters=clusters, left_out=list(dict.fromkeys(left_out)))


def _parts(lab: Lab, stack: Stack, cluster: Cluster) -> Iterator[_Part]:
    components = [(part.component, part.title) for part in stack.components(lab).values()]
    components += [
        (part.component, part.title)
        for source in lab.clusters
        for target in lab.clusters
        for part in (stack.link_components(lab, source, target) if source != target else ())
        if part.cluster == cluster.name
    ]
    for component, title in components:
        rendering = component.rendering(lab, cluster)
        yield _Part(name=component.name, title=title, rendering=rendering, public=rendering.public)


def _export(lab: Lab, stack: Stack, parts: dict[str, list[_Part]], service: str, source: str) -> Iterator[str]:
    """Add an export's objects to the parts; yield why that is impossible."""
    wanted = service_ref(service)
    exported = next((obj for part in parts[source] for obj in part.public if ref(obj) == wanted), None)
    if exported is None:
        yield (
            f"The export of {service} from {source}: the lab does not create a Service of that name in {NAMESPACE}; "
            f"`lab export {service} --from {source}` exports one that exists."
        )
        return
    for cluster in lab.clusters:
        new = _Part(name=f"export-{service}-{source}", title=f"export {service} from {source}", rendering=Rendering())
        for obj in stack.exported(lab, exported, source, cluster):
            _replace_or_add(parts[cluster], obj, new)
        if new.public:
            parts[cluster].append(new)


def _replace_or_add(parts: Sequence[_Part], obj: Obj, new: _Part) -> None:
    for part in parts:
        for index, existing in enumerate(part.public):
            if ref(existing) == ref(obj):
                part.public[index] = obj
                return
    new.public.append(obj)


def _numbered(cluster: Cluster, parts: Sequence[_Part]) -> Iterator[RenderedFile]:
    contents = [file for part in parts for file in _files_of(cluster, part)]
    digits = len(str(len(contents)))
    for number, file in enumerate(contents, start=1):
        yield replace(file, path=f"{cluster.name}/{number:0{max(2, digits)}}-{file.path}")


def _files_of(cluster: Cluster, part: _Part) -> Iterator[RenderedFile]:
    """Yield a part's files: namespaces and CRDs, commands before, all other objects, commands after."""
    rendering, name = part.rendering, part.name
    ordered = sorted(part.public, key=lambda obj: rank(obj["kind"]))
    definitions = [obj for obj in ordered if obj["kind"] in _DEFINITIONS]
    objects = [obj for obj in ordered if obj["kind"] not in _DEFINITIONS]
    waits = [ref(obj) for obj in definitions if obj["kind"] == _CRD]
    later = [of for of in rendering.waits_for if of.kind != _CRD]
    created = {ref(obj) for obj in part.public}
    if definitions:
        suffix, what = ("-definitions", f"{part.title}: namespaces and CRDs") if objects else ("", part.title)
        yield RenderedFile(path=f"{name}{suffix}.yaml", title=what, content=_yaml(cluster, what, definitions))
    before = [*rendering.before, *_waits(cluster, waits, created)]
    after = [*rendering.after, *_waits(cluster, later, created)]
    if not objects:
        before, after = [*before, *after], []
    if before:
        suffix, what = ("-before", "commands before") if objects else ("-commands", "commands")
        title = f"{part.title}: {what if rendering.before else 'wait until the CRDs are served'}"
        script = _script(cluster, title, before, rendering.placeholders)
        yield RenderedFile(path=f"{name}{suffix}.sh", title=title, content=script)
    if objects:
        yield RenderedFile(path=f"{name}.yaml", title=part.title, content=_yaml(cluster, part.title, objects))
    if after:
        title = f"{part.title}: {'commands after' if rendering.after else 'wait until it is ready'}"
        yield RenderedFile(path=f"{name}-after.sh", title=title, content=_script(cluster, title, after, []))


def _waits(cluster: Cluster, refs: Sequence[Ref], created: set[Ref]) -> Iterator[str]:
    """Yield commands that wait until objects are ready; controllers create those that are not in `created`."""
    crds = [f"crd/{of.name}" for of in refs if of.kind == _CRD]
    if crds:
        yield f"{kubectl(cluster)} wait --for=condition={_CONDITIONS[_CRD]} --timeout={_WAIT_S}s {' '.join(crds)}"
    for of in refs:
        place, name = kubectl(cluster, of.namespace), f"{of.kind.lower()}/{of.name}"
        if of.kind not in {*_WORKLOADS, *_CONDITIONS} - {_CRD}:
            continue
        if of not in created:
            yield f"{place} wait --for=create --timeout={_WAIT_S}s {name}"
        if of.kind in _WORKLOADS:
            yield f"{place} rollout status --timeout={_WAIT_S}s {name}"
        else:
            yield f"{place} wait --for=condition={_CONDITIONS[of.kind]} --timeout={_WAIT_S}s {name}"


def _yaml(cluster: Cluster, title: str, objects: Sequence[Obj]) -> str:
    documents = "---\n".join(map(manifests.dump, objects))
    return f"# {cluster.name}: {title}\n---\n{documents}"


def _script(cluster: Cluster, title: str, commands: Sequence[str], placeholders: Sequence[Obj]) -> str:
    """Return a POSIX shell script; the objects that it creates are in comments, without their content."""
    lines = [f"# {cluster.name}: {title}", "set -eu"]
    if placeholders:
        lines += ["#", "# PLACEHOLDERS: the commands below create these objects with their content."]
        for obj in placeholders:
            lines += ["# ---", *(f"# {line}" for line in manifests.dump(obj).splitlines())]
    return "\n".join([*lines, "", *commands, ""])
