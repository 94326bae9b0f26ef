"""The commands that install the folder: apply.sh runs them, and the README shows the same ones."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from lab.base.names import Cluster
from lab.components.rendering import load_balancer
from lab.initialize import ingresses
from lab.initialize.choices import Choices
from lab.initialize.ingresses import INGRESSES
from lab.initialize.model import ApplyStage, ClusterChoice, Option, Secret, SecretPhase
from lab.initialize.options.components import in_shell, variable
from lab.initialize.options.delivery import FLUX, PUSH
from lab.initialize.tree import Tree, wires
from lab.kube.objects import Obj, Ref

SECRETS = "create-secrets.sh"
_WAIT_S = 300
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_SECRETS = {
    SecretPhase.KEYS: "Secrets",
    SecretPhase.TRUST: "Certificates of webhooks",
    SecretPhase.LINKS: "Links between the clusters",
}
_TITLES = {
    ApplyStage.CRDS: "Custom resource definitions",
    ApplyStage.NAMESPACES: "Namespaces",
    ApplyStage.OPERATORS: "Controllers and services",
    ApplyStage.OBJECTS: "Objects of the controllers, and applications",
    ApplyStage.WIRING: "Wiring",
}


@dataclass(frozen=True, kw_only=True)
class InstallStep:
    """A title and shell commands, with the contexts as variables (`$CONTEXT_EAST`)."""

    title: str
    commands: Sequence[str]


def steps(choices: Choices, tree: Tree, by_cluster: Mapping[str, ClusterChoice]) -> list[InstallStep]:
    """Return the steps in order; all clusters take each step before the next one."""
    phases = secret_phases(choices, by_cluster)
    install: list[InstallStep] = [*program_step(choices)]

    def add(title: str, commands: Iterator[str] | Sequence[str]) -> None:
        if lines := list(commands):
            install.append(InstallStep(title=title, commands=lines))

    for stage in ApplyStage:
        having = [name for name in choices.clusters if stage in tree.stages(name)]
        add(_TITLES[stage], [applied(name, stage) for name in having])
        if stage is ApplyStage.CRDS:
            add("Wait until the API servers serve them", [established(name) for name in having])
        if stage is ApplyStage.NAMESPACES:
            install += secret_step(phases, SecretPhase.KEYS)
            install += upstream_steps(choices, by_cluster)
        if stage is ApplyStage.OPERATORS:
            install += secret_step(phases, SecretPhase.TRUST)
        if stage is ApplyStage.OBJECTS and "kind" in choices.ids:
            install += address_step(by_cluster)
        ready = [line for name in having for line in waits(name, tree.objects[name][stage])]
        add("Wait until they are ready", ready)
        if stage is ApplyStage.OBJECTS:
            install += secret_step(phases, SecretPhase.LINKS)
    install += push_step(choices)
    return install


def secret_phases(choices: Choices, by_cluster: Mapping[str, ClusterChoice]) -> frozenset[SecretPhase]:
    """Return the phases in which create-secrets.sh does something."""
    return frozenset(secret.phase for choice in by_cluster.values() for secret in secrets(choices, choice))


def secrets(choices: Choices, choice: ClusterChoice) -> Iterator[Secret]:
    """Yield the commands of create-secrets.sh for a cluster."""
    for option in choices.options:
        yield from option.secrets(choice)
    for wire in wires(choices):
        yield from wire.secrets(choice)


def program_step(choices: Choices) -> Iterator[InstallStep]:
    """Yield the step that stops before anything is applied, if a program for `upstream_steps` is missing."""
    needed: dict[str, list[str]] = {}
    for option in choices.options:
        if option.id in choices.unavailable and option.upstream is not None:
            needed.setdefault(option.upstream.program, []).append(f"{option.title} {option.version}".rstrip())
    commands = [
        f"command -v {program} >/dev/null || {{ echo {shlex.quote(_missing(program, what))} >&2; false; }}"
        for program, what in needed.items()
    ]
    if commands:
        yield InstallStep(title="Programs for what this folder does not have", commands=commands)


def _missing(program: str, what: Sequence[str]) -> str:
    return (
        f"command not found: {program}. This folder does not have {' and '.join(what)}, and {program} installs it: "
        "install the program, then run the command again. Nothing was applied"
    )


def upstream_steps(choices: Choices, by_cluster: Mapping[str, ClusterChoice]) -> Iterator[InstallStep]:
    """Yield a step for each option whose YAML is unavailable: upstream's own program installs it."""
    for option in choices.options:
        if option.id in choices.unavailable and option.upstream is not None:
            commands = [line for choice in by_cluster.values() for line in option.upstream.commands(choice)]
            yield InstallStep(title=upstream_title(option), commands=commands)


def upstream_title(option: Option) -> str:
    """Return the title of that step."""
    return f"{option.title} {option.version}, which this folder does not have"


def push_step(choices: Choices) -> Iterator[InstallStep]:
    """Yield the step that puts the folder into the clusters' own registries, from which Flux reads it."""
    if "flux" in choices.ids and not choices.source:
        commands = [_push(name) for name in choices.clusters]
        yield InstallStep(title="The folder, into the clusters' registries", commands=commands)


def _push(cluster: str) -> str:
    """Return the command that puts the folder into a cluster's registry."""
    return f"tar --create --file=- base clusters | {kubectl(cluster, FLUX)} {shlex.join(PUSH)}"


def secret_step(phases: frozenset[SecretPhase], phase: SecretPhase) -> Iterator[InstallStep]:
    """Yield the step that runs create-secrets.sh, if it does anything in a phase."""
    if phase in phases:
        yield InstallStep(title=_SECRETS[phase], commands=[f"sh {SECRETS} {phase.value}"])


def kubectl(cluster: str, namespace: str = "") -> str:
    """Return the beginning of a kubectl command, with the cluster's context as a variable."""
    return f'kubectl --context="${variable(cluster)}"' + (f" --namespace={namespace}" if namespace else "")


def applied(cluster: str, stage: ApplyStage) -> str:
    """Return the command that applies a stage."""
    return f"{kubectl(cluster)} apply --server-side --kustomize=clusters/{cluster}/{stage.value}"


def established(cluster: str) -> str:
    """Return the command that waits for CRDs."""
    return f"{kubectl(cluster)} wait --for=condition=Established --timeout={_WAIT_S}s customresourcedefinition --all"


def waits(cluster: str, objects: Sequence[Obj]) -> Iterator[str]:
    """Yield commands that wait until workloads and Gateways are ready."""
    for obj in objects:
        kind, metadata = obj["kind"], obj["metadata"]
        place = kubectl(cluster, metadata.get("namespace", ""))
        name = f"{kind.lower()}/{metadata['name']}"
        if kind in _WORKLOADS:
            yield f"{place} rollout status --timeout={_WAIT_S}s {name}"
        elif kind == "Job":
            yield f"{place} wait --for=condition=Complete --timeout={_WAIT_S}s {name}"
        elif kind == "Gateway" and obj["apiVersion"] == ingresses.GATEWAY_API:
            yield f"{place} wait --for=condition=Programmed --timeout={_WAIT_S}s {name}"


def address_step(by_cluster: Mapping[str, ClusterChoice]) -> Iterator[InstallStep]:
    """Yield the step in which Services of type LoadBalancer get their addresses, if there are any."""
    if commands := list(_addresses(by_cluster)):
        yield InstallStep(title="Addresses for Services of type LoadBalancer", commands=commands)


def _addresses(by_cluster: Mapping[str, ClusterChoice]) -> Iterator[str]:
    """Yield the commands by which Services get their node's address: kind has no load balancer."""
    for name, choice in by_cluster.items():
        cluster = Cluster(name=name, context=name, kubeconfig=Path(), node="")
        for service in _load_balanced(choice):
            for command in load_balancer(cluster, service):
                # A controller may still create the Service.
                yield in_shell(command).replace("--timeout=60s", f"--timeout={_WAIT_S}s")


def _load_balanced(choice: ClusterChoice) -> Iterator[Ref]:
    if choice.has(*INGRESSES):
        _, ingress = ingresses.of(choice)
        yield Ref(api_version="v1", kind="Service", name=ingress.service, namespace=ingress.namespace)
    if len(choice.clusters) > 1 and choice.has("istio"):
        yield Ref(api_version="v1", kind="Service", name="eastwest-istio", namespace="istio-system")
    if len(choice.clusters) > 1 and choice.has("linkerd") and choice.cluster == "east":
        yield Ref(api_version="v1", kind="Service", name="linkerd-gateway", namespace="linkerd-multicluster")


FUNCTIONS = """\
quoted() {
  case "$1" in
  '' | *[!A-Za-z0-9_./:@%+,-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\\\\\''/g")" ;;
  *) printf %s "$1" ;;
  esac
}
absolute() {
  case "$1" in
  /*) printf %s "$1" ;;
  *) printf %s "$PWD/$1" ;;
  esac
}
outside() {
  # Refuses a folder for keys inside of $1: that folder is often in a repository.
  folder=$KEYS
  while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
  case "$(CDPATH= cd -- "$folder" && pwd -P)/" in
  "$1"/*)
    echo "KEYS is $KEYS, inside of $1, which must not have secrets: name another folder" >&2
    exit 2
    ;;
  esac
}
# The scripts change their folder, and kubectl takes files of KUBECONFIG from the current one. Windows has other paths.
case "${KUBECONFIG:-}" in
'' | [A-Za-z]:[\\\\/]* | *";"*) ;;
*)
  list=$KUBECONFIG: KUBECONFIG=
  while [ -n "$list" ]; do
    file=${list%%:*} list=${list#*:}
    if [ -n "$file" ]; then KUBECONFIG=$KUBECONFIG${KUBECONFIG:+:}$(absolute "$file"); fi
  done
  export KUBECONFIG
  ;;
esac
"""
"""Functions of both scripts, and what both do first."""
_SCRIPT = """\
#!/bin/sh
# Installs this folder: sh apply.sh {usage}
# It runs the commands of README.md. The trust anchor and its key are created in a temporary folder, which is deleted
# after a success. If a command fails, that folder stays, and the next run continues with it.
# KEYS names another folder, which stays in any case: KEYS=FOLDER sh apply.sh {usage}
set -eu
{functions}
if [ $# -ne {count} ]; then
  echo "usage: sh apply.sh {usage}" >&2
  exit 2
fi
{contexts}
export {variables}
{refusals}
KEYS=${{KEYS:+$(absolute "$KEYS")}}
temporary=$(absolute "${{TMPDIR:-/tmp}}")
CDPATH= cd -- "$(dirname -- "$0")"
run=$(printf '%s\\n' "$(pwd -P)" {values})
created=
ended() {{
  if [ "$1" -eq 0 ] || [ "$(ls -A "$KEYS" 2>/dev/null)" = run ]; then
    if [ -n "$created" ]; then rm -rf "$KEYS"; fi
  fi
  if [ "$1" -ne 0 ]; then
    echo "the installation is not complete; this command continues it:" >&2
    variables=
    if [ -d "$KEYS" ] || [ -z "$created" ]; then variables="KEYS=$(quoted "$KEYS") "; fi
    if [ -n "${{KUBECONFIG:-}}" ]; then variables="KUBECONFIG=$(quoted "$KUBECONFIG") $variables"; fi
    printf '  %ssh %s{words}\\n' "$variables" "$(quoted "$PWD/apply.sh")" {quoted} >&2
    if [ -n "$created" ] && [ -d "$KEYS" ]; then echo "the folder KEYS has secrets; a success deletes it" >&2; fi
  fi
}}
if [ -n "$KEYS" ]; then
  outside "$(pwd -P)"
  if [ "$(cat "$KEYS/run" 2>/dev/null)" = "$run" ]; then created=yes; fi
else
  created=yes
  for folder in "$temporary"/lab-initialize-keys.*; do
    # Keys of another user would be in that user's hands.
    if [ -n "$(find "$folder" -prune -type d -user "$(id -u)" -perm 700 2>/dev/null)" ] &&
      [ "$(cat "$folder/run" 2>/dev/null)" = "$run" ]; then
      KEYS=$folder
    fi
  done
  if [ -n "$KEYS" ]; then
    echo "continuing with the keys of a run that did not finish: $KEYS"
  else
    KEYS=$(mktemp -d "$temporary/lab-initialize-keys.XXXXXX")
    printf '%s\\n' "$run" > "$KEYS/run"
  fi
fi
trap 'ended $?' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
export KEYS
{steps}

echo "installed; this command checks it:"
printf '  lab initialize verify %s{options}\\n' "$(quoted "$PWD")" {quoted}
"""


def script(choices: Choices, install: Sequence[InstallStep]) -> str:
    """Return apply.sh."""
    names = [variable(cluster) for cluster in choices.clusters]
    blocks = ["\n".join(["", f"echo {shlex.quote(step.title)}", *step.commands]) for step in install]
    return _SCRIPT.format(
        functions=FUNCTIONS,
        usage=" ".join(names),
        count=len(names),
        contexts="\n".join(f"{name}=${number}" for number, name in enumerate(names, start=1)),
        variables=" ".join(names),
        refusals=refusals(names),
        values=" ".join(f'"${name}"' for name in names),
        words=" %s" * len(names),
        steps="\n".join(blocks),
        options="".join(f" --cluster {cluster}=%s" for cluster in choices.clusters),
        quoted=" ".join(f'"$(quoted "${name}")"' for name in names),
    )


def refusals(names: Sequence[str]) -> str:
    """Return the lines that refuse contexts before a script does anything.

    kubectl takes an empty context for the current one; the same context twice is one cluster in both roles.
    """
    lines = []
    for name in names:
        lines += [f'if [ -z "${{{name}:-}}" ]; then', *_refusal(f"{name} is empty: name a kubectl context")]
    for first, second in combinations(names, 2):
        words = f"{first} and {second} are both ${first}: name the contexts of two clusters"
        lines += [f'if [ "${first}" = "${second}" ]; then', *_refusal(words)]
    return "\n".join(lines)


def _refusal(words: str) -> tuple[str, ...]:
    return f'  echo "{words}; nothing was applied" >&2', "  exit 2", "fi"
