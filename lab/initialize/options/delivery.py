"""Delivery: what reconciles the folder, and what builds."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import edits
from lab.initialize.images import PUBLIC
from lab.initialize.model import ApplyStage, Category, ClusterChoice, Option, StagedObjects, Url, Value
from lab.initialize.objects import RESTRICTED, account, deployment, namespace, resources, scraped, service

FLUX, ARGOCD = "flux-system", "argocd"
REGISTRY, REGISTRY_PORT = "oci-registry", 5000
REPOSITORY = "eastwest"
"""The folder's name in the cluster's registry."""
PUSH = (
    *("exec", "--stdin", f"deployment/{REGISTRY}", "--", "/ko-app/crane", "append", "--insecure", "--oci-empty-base"),
    *("--new_layer=-", f"--new_tag=localhost:{REGISTRY_PORT}/{REPOSITORY}:latest"),
)
"""The rest of a kubectl command that puts a tar archive from standard input into the cluster's registry, for Flux.

crane compresses the archive, and would compress a .tar.gz once more, which Flux cannot read. The registry's image has
crane, upstream's and the lab's: nobody needs it, or a forwarded port, on this machine.
"""
GIT = "https://git.example/eastwest.git"
"""The repository in files of Argo CD if no other is named: a value to replace."""
_KO = "ko://github.com/tektoncd/pipeline/cmd/"
_SHELL_IMAGES = (
    "cgr.dev/chainguard/busybox@sha256:19f02276bf8dbdd62f069b922f10c65262cc34b710eea26ff928129a736be791",
    "mcr.microsoft.com/powershell:nanoserver@sha256:b6d5ff841b78bdf2dfed7550000fd4f3437385b8fa686ec0f010be24777654d6",
)
"""Images in the controller's arguments, by upstream's digests: of steps with a `script`, and of Windows."""


def _flux(choice: ClusterChoice) -> Iterator[StagedObjects]:
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(FLUX)])
    for name in ("source", "kustomize"):
        artifact, controller = f"flux-{name}-manifests", f"{name}-controller"
        # As upstream's kustomizations: the image with its version, the namespace, and a prefix of the roles.
        roles = ["manager-role", "manager-rolebinding", "leader-election-role", "leader-election-rolebinding"]
        roles += ["cluster-reconciler"] if name == "kustomize" else []
        replaced = {
            f"fluxcd/{controller}": PUBLIC[f"flux-{controller}"],
            "system": FLUX,
            **{role: f"{name}-{role}" for role in roles},
        }
        objects = edits.texts(choice.sources.objects(artifact), replaced, of=f"Flux's {controller}")
        yield from edits.staged(edits.placed(objects, FLUX), crds=choice.sources.crds(artifact))
    container = {
        "image": PUBLIC[REGISTRY],
        "args": ["registry", "serve", f"--address=:{REGISTRY_PORT}", "--disk=/data"],
        "ports": [{"name": "http", "containerPort": REGISTRY_PORT}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 5},
        "resources": resources("10m", "32Mi", "256Mi"),
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volume = {"name": "data", "emptyDir": {}}
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }
    yield StagedObjects(
        stage=ApplyStage.OPERATORS,
        objects=[
            account(REGISTRY, FLUX),
            service(REGISTRY, FLUX, [("http", REGISTRY_PORT, "http")]),
            deployment(REGISTRY, FLUX, container, volumes=[volume], pod=pod),
        ],
    )


def _argocd(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "argocd-manifests"
    yield StagedObjects(stage=ApplyStage.NAMESPACES, objects=[namespace(ARGOCD)])
    objects = edits.placed(choice.sources.objects(artifact), ARGOCD)
    yield from edits.staged(objects, crds=choice.sources.crds(artifact))


def _tekton(choice: ClusterChoice) -> Iterator[StagedObjects]:
    artifact = "tekton-manifests"
    programs = ("controller", "webhook", "events", "entrypoint", "nop", "sidecarlogresults", "workingdirinit")
    replaced = {f"{_KO}{program}": PUBLIC[f"tekton-{program}"] for program in programs}
    objects = edits.texts(choice.sources.objects(artifact), replaced, of="Tekton Pipelines")
    objects = edits.change(
        objects,
        "Deployment",
        "tekton-pipelines-controller",
        lambda obj: edits.annotated(obj, scraped(9090)),
        of="Tekton Pipelines",
    )
    yield from edits.staged(objects, crds=choice.sources.crds(artifact))


DELIVERY = Category(
    id="delivery",
    title="Delivery",
    question="What delivers changes?",
    many=True,
    options=(
        Option(
            id="flux",
            title="Flux",
            says="Pulls the generated folder from a registry and applies it; with a small registry in the cluster.",
            version="2.9.5",
            license="Apache-2.0",
            manifests=("flux-source-manifests", "flux-kustomize-manifests"),
            parts=_flux,
        ),
        Option(
            id="argocd",
            title="Argo CD",
            says="Applies the generated folder from a Git repository, with a web interface.",
            version="3.5.7",
            license="Apache-2.0",
            manifests=("argocd-manifests",),
            parts=_argocd,
            values=(Value(text=GIT, meaning="the Git repository that has this folder"),),
            urls=(
                Url(path="", title="Argo CD: kubectl --namespace=argocd port-forward service/argocd-server 8443:443"),
            ),
        ),
        Option(
            id="tekton",
            title="Tekton Pipelines",
            says="Runs tasks and pipelines as pods.",
            version="1.14.0",
            license="Apache-2.0",
            manifests=("tekton-manifests",),
            parts=_tekton,
            images=_SHELL_IMAGES,
            notes=(
                "Give the steps of your tasks a `command`: without, Tekton asks the image's registry for it.",
                "Tekton's remote resolvers (git, hub, bundles, cluster) are not in this folder.",
            ),
        ),
    ),
)
