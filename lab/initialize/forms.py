"""Other forms of the output: Argo CD or Flux apply the same folder; helmfile has a file of its own.

With `--as argocd` or `--as flux`, apply.sh installs only the controller, and the controller applies the stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lab.initialize.apply import (
    InstallStep,
    address_step,
    applied,
    established,
    kubectl,
    program_step,
    push_step,
    secret_phases,
    secret_step,
    upstream_steps,
    waits,
)
from lab.initialize.choices import Choices
from lab.initialize.model import ApplyStage, ClusterChoice, SecretPhase
from lab.initialize.options.delivery import ARGOCD, FLUX
from lab.initialize.tree import Tree
from lab.initialize.wires.delivery import stage_name

_WAIT_S = 900
HELMFILE = "helmfile.yaml.gotmpl"


def controller_steps(choices: Choices, tree: Tree, by_cluster: Mapping[str, ClusterChoice]) -> Iterator[InstallStep]:
    """Yield the steps that install the controller and let it apply the folder."""
    phases = secret_phases(choices, by_cluster)
    form, names = choices.form, choices.clusters
    yield from program_step(choices)
    yield InstallStep(
        title="The controller's resource definitions",
        commands=[
            *(f"{kubectl(name)} apply --server-side --kustomize=base/{form}/1-crds" for name in names),
            *map(established, names),
        ],
    )
    yield InstallStep(title="Namespaces", commands=[applied(name, ApplyStage.NAMESPACES) for name in names])
    yield from secret_step(phases, SecretPhase.KEYS)
    yield from upstream_steps(choices, by_cluster)
    namespace = {"flux": FLUX, "argocd": ARGOCD}[form]
    own = [
        line
        for name in names
        for line in waits(
            name,
            [o for o in tree.objects[name][ApplyStage.OPERATORS] if o["metadata"].get("namespace") == namespace],
        )
    ]
    yield InstallStep(
        title="The controller",
        commands=[
            *(f"{kubectl(name)} apply --server-side --kustomize=base/{form}/3-operators" for name in names),
            *own,
        ],
    )
    yield from push_step(choices)
    wiring = [_wiring(tree, name, form) for name in names]
    yield InstallStep(title="What the controller applies", commands=wiring)
    yield from secret_step(phases, SecretPhase.TRUST)
    stages = list(ApplyStage)
    first, then = stages[: stages.index(ApplyStage.OBJECTS)], stages[stages.index(ApplyStage.OBJECTS) :]
    yield InstallStep(
        title="Wait until the controllers run",
        commands=[_reconciled(name, form, stage) for stage in first for name in names if stage in tree.stages(name)],
    )
    if "kind" in choices.ids:
        yield from address_step(by_cluster)
    yield InstallStep(
        title="Wait until everything is applied",
        commands=[_reconciled(name, form, stage) for stage in then for name in names if stage in tree.stages(name)],
    )
    yield from secret_step(phases, SecretPhase.LINKS)


def _wiring(tree: Tree, cluster: str, form: str) -> str:
    path = f"clusters/{cluster}/{ApplyStage.WIRING.value}/{form}.yaml"
    what = f"--filename={path}" if path in tree.files else f"--kustomize=base/{form}/{ApplyStage.WIRING.value}"
    return f"{kubectl(cluster)} apply --server-side {what}"


def _reconciled(cluster: str, form: str, stage: ApplyStage) -> str:
    if form == "flux":
        kind, condition, place = "kustomizations.kustomize.toolkit.fluxcd.io", "condition=Ready", FLUX
    else:
        kind, condition, place = "applications.argoproj.io", "jsonpath={.status.sync.status}=Synced", ARGOCD
    return f"{kubectl(cluster, place)} wait --for={condition} --timeout={_WAIT_S}s {kind}/{stage_name(stage)}"


def helmfile(choices: Choices, stages: Mapping[str, Sequence[ApplyStage]]) -> str:
    """Return the helmfile: a release for each stage, which needs the stage before it."""
    lines = [
        "# helmfile --state-values-set east=CONTEXT,west=CONTEXT apply",
        "# Run create-secrets.sh between the stages, as README.md says.",
        "releases:",
    ]
    for cluster in choices.clusters:
        before = ""
        for stage in stages[cluster]:
            lines += [
                f"  - name: {cluster}-{stage.value}",
                f"    labels: {{cluster: {cluster}, stage: {stage.value}}}",
                f'    kubeContext: {{{{ .Values | get "{cluster}" "{cluster}" }}}}',
                "    namespace: default",
                f"    chart: ./clusters/{cluster}/{stage.value}",
                "    wait: true",
                *([f"    needs: [default/{before}]"] if before else []),
            ]
            before = f"{cluster}-{stage.value}"
    return "\n".join([*lines, ""])
