"""Flux or Argo CD → the folder: the controller reconciles a cluster's stages, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.options.delivery import ARGOCD, FLUX, GIT, REGISTRY, REGISTRY_PORT, REPOSITORY
from lab.initialize.wires import questions
from lab.kube.objects import Obj

_IN_CLUSTER = f"oci://{REGISTRY}.{FLUX}.svc.cluster.local:{REGISTRY_PORT}/{REPOSITORY}"


def stage_name(stage: ApplyStage) -> str:
    """Return the name of the object that reconciles a stage."""
    return f"stage-{stage.value}"


def flux_objects(choice: ClusterChoice) -> list[Obj]:
    """Return the source, and a Kustomization for each stage with objects, which waits for the one before it.

    Flux is never ready with a stage whose folder does not exist.
    """
    return [_source(choice), *(_stage(choice, stage) for stage in _stages(choice))]


def _stages(choice: ClusterChoice) -> list[ApplyStage]:
    return [stage for stage in ApplyStage if stage in choice.stages]


def _source(choice: ClusterChoice) -> Obj:
    url = choice.source or _IN_CLUSTER
    spec: Obj = {"interval": "1m", "url": url}
    if url.startswith("oci://"):
        kind, spec["ref"] = "OCIRepository", {"tag": "latest"}
        if not choice.source:
            spec["insecure"] = True
    else:
        kind, spec["ref"] = "GitRepository", {"branch": "main"}
    metadata = {"name": "eastwest", "namespace": FLUX}
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _stage(choice: ClusterChoice, stage: ApplyStage) -> Obj:
    stages = _stages(choice)
    before = stages[: stages.index(stage)][-1:]
    spec: Obj = {
        "interval": "10m",
        "retryInterval": "30s",
        "timeout": "5m",
        "path": f"./clusters/{choice.cluster}/{stage.value}",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": _source(choice)["kind"], "name": "eastwest"},
    }
    if before:
        spec["dependsOn"] = [{"name": stage_name(one)} for one in before]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": stage_name(stage), "namespace": FLUX},
        "spec": spec,
    }


def argocd_objects(choice: ClusterChoice) -> list[Obj]:
    """Return an Application for each stage with objects. A stage that comes too early is tried again."""
    return [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": stage_name(stage), "namespace": ARGOCD},
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": choice.source or GIT,
                    "targetRevision": "HEAD",
                    "path": f"clusters/{choice.cluster}/{stage.value}",
                },
                "destination": {"server": "https://kubernetes.default.svc"},
                "syncPolicy": {
                    "automated": {"prune": True, "selfHeal": True},
                    "retry": {"limit": 20, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
                    # CRDs are larger than the annotation of a client-side apply can be.
                    "syncOptions": ["ServerSideApply=true"],
                },
            },
        }
        for stage in _stages(choice)
    ]


def _flux(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield StagedObjects(stage=ApplyStage.WIRING, objects=flux_objects(choice))


def _argocd(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield StagedObjects(stage=ApplyStage.WIRING, objects=argocd_objects(choice))


def _both(namespace: str, first: str, second: str, path: str) -> tuple[str, ...]:
    """Return the command that reads a field of two objects, TYPE/NAME each: one line with a blank between."""
    return (
        f"--namespace={namespace}",
        "get",
        first,
        second,
        f'--output=jsonpath={{range .items[*]}}{path}{{" "}}{{end}}',
    )


def _flux_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    yield WireCheck(
        proves="Flux has pulled the folder",
        ask=questions.condition(FLUX, _source(choice)["kind"].lower(), "eastwest", "Ready"),
        expects="True",
        within_s=120,
    )
    yield WireCheck(
        proves="Flux has applied the last stage",
        ask=questions.condition(
            FLUX, "kustomizations.kustomize.toolkit.fluxcd.io", stage_name(ApplyStage.WIRING), "Ready"
        ),
        expects="True",
        within_s=300,
    )
    yield WireCheck(
        proves="what Flux has applied is what it has pulled",
        ask=_both(
            FLUX,
            f"{_source(choice)['kind'].lower()}.source.toolkit.fluxcd.io/eastwest",
            f"kustomization.kustomize.toolkit.fluxcd.io/{stage_name(ApplyStage.WIRING)}",
            "{.status.artifact.revision}{.status.lastAppliedRevision}",
        ),
        expects=r"\A(\S+) \1\s*\Z",
        words="the same revision twice",
        within_s=300,
    )
    # Conditions stay as they are when their controller is gone.
    yield WireCheck(
        proves="Flux's controllers run",
        ask=_both(FLUX, "deployment/source-controller", "deployment/kustomize-controller", "{.status.readyReplicas}"),
        expects=r"[1-9]\d* [1-9]",
        words="a number above zero twice",
        within_s=120,
    )


def _argocd_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    del choice
    yield WireCheck(
        proves="Argo CD has applied the last stage",
        ask=questions.field(ARGOCD, "applications.argoproj.io", stage_name(ApplyStage.WIRING), "{.status.sync.status}"),
        expects="Synced",
        within_s=300,
    )
    yield WireCheck(
        proves="Argo CD's controller and its reader of repositories run",
        ask=_both(
            ARGOCD,
            "statefulset/argocd-application-controller",
            "deployment/argocd-repo-server",
            "{.status.readyReplicas}",
        ),
        expects=r"[1-9]\d* [1-9]",
        words="a number above zero twice",
        within_s=120,
    )


WIRES = (
    Wiring(
        id="flux",
        says="Flux pulls this folder and applies each cluster's stages, and undoes other changes.",
        ends=(frozenset({"flux"}),),
        parts=_flux,
        checks=_flux_checks,
    ),
    Wiring(
        id="argocd",
        says="Argo CD reads this folder from Git and applies each cluster's stages, and undoes other changes.",
        ends=(frozenset({"argocd"}),),
        parts=_argocd,
        checks=_argocd_checks,
    ),
)
