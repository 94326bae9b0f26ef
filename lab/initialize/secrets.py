"""create-secrets.sh: it creates keys, passwords and what needs them, directly in the clusters.

No secret is an argument of a program or in a file of the folder. Keys of certificates are in the folder KEYS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lab.initialize.apply import FUNCTIONS, refusals, secrets
from lab.initialize.choices import Choices
from lab.initialize.model import ClusterChoice, Secret, SecretPhase
from lab.initialize.options.components import variable

_HEAD = """\
#!/bin/sh
# Creates the Secrets of this folder in the clusters: {list}.
# Usage: {usage} KEYS=FOLDER sh create-secrets.sh keys|trust|links
#
# KEYS is a folder for the trust anchor (anchor.crt, anchor.key) and the certificates that it signs. An anchor that is
# there is used. Keep the folder to yourself. Without the anchor, no cluster can be added later, and no issuer renewed.
# What exists is left as it is.
set -eu
umask 077
{functions}
{refusals}
: "${{KEYS:?name a folder for the keys}}"
export {variables}
KEYS=$(absolute "$KEYS")
outside "$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)"
mkdir -p "$KEYS"
CDPATH= cd -- "$KEYS"

ask() {{
  # Sets the variable $1 from the environment, or from the terminal without showing what is typed.
  eval "given=\\${{$1:-}}"
  if [ -z "$given" ]; then
    printf '%s: ' "$2" >&2
    stty -echo 2>/dev/null || :
    IFS= read -r given
    stty echo 2>/dev/null || :
    echo >&2
  fi
  if [ -z "$given" ]; then
    echo "$1 is empty: set it in the environment, or type it" >&2
    exit 1
  fi
  eval "$1=\\$given"
}}
"""
_USAGE = """\
*)
  echo "usage: sh create-secrets.sh keys|trust|links" >&2
  exit 2
  ;;
esac
"""
_ANCHOR = """\
anchor() {{
  if [ -e anchor.crt ] && [ -e anchor.key ]; then return; fi
  others=
{guards}
  if [ -n "$others" ]; then
    echo "put its anchor.crt and anchor.key into $KEYS, and run this again" >&2
    echo "to start anew without them, delete what it signed, then run this again with an empty folder KEYS:$others" >&2
    exit 1
  fi
  {command}
}}
"""
_GUARD = """\
  if {exists} >/dev/null 2>&1; then
    echo "{cluster} has keys of another trust anchor: {what}" >&2
    others="$others
  kubectl --context=$(quoted "${variable}") {delete}"
  fi"""


def script(choices: Choices, by_cluster: Mapping[str, ClusterChoice], anchor: str) -> str:
    """Return create-secrets.sh; empty if nothing is secret.

    Args:
        choices: the choices.
        by_cluster: what the options' functions get, by cluster.
        anchor: the command that creates a trust anchor.
    """
    wanted = {name: list(secrets(choices, choice)) for name, choice in by_cluster.items()}
    if not any(wanted.values()):
        return ""
    names = [variable(cluster) for cluster in choices.clusters]
    head = _HEAD.format(
        list="keys" if len(names) == 1 else "keys, and credentials of the clusters for each other",
        usage=" ".join(f"{name}=CONTEXT" for name in names),
        functions=FUNCTIONS,
        refusals=refusals(names),
        variables=" ".join(names),
    )
    blocks = [head]
    if (trust := _anchored(wanted)) and anchor:
        guards = "\n".join(_guard(name, one) for name, one in trust)
        blocks.append(_ANCHOR.format(guards=guards, command=anchor))
    cases = "\n".join(
        _case(phase, wanted, anchored=[one for _, one in trust] if anchor else []) for phase in SecretPhase
    )
    blocks.append(f'case "${{1:-}}" in\n{cases}\n{_USAGE}')
    return "\n".join(blocks)


def _anchored(wanted: Mapping[str, Sequence[Secret]]) -> list[tuple[str, Secret]]:
    """Return what needs the trust anchor: the issuers that it signs, and copies of its certificate; by cluster."""
    return [
        (name, one)
        for name, of in wanted.items()
        for one in of
        if one.phase is SecretPhase.KEYS and any("anchor.crt" in line for line in one.commands)
    ]


def _guard(cluster: str, one: Secret) -> str:
    """Return the lines that note an object that was made with another trust anchor."""
    return _GUARD.format(
        exists=_kubectl(cluster, one.exists),
        cluster=cluster,
        what=one.exists.partition(" get ")[2],
        variable=variable(cluster),
        delete=one.exists.replace(" get ", " delete "),
    )


def _case(phase: SecretPhase, wanted: Mapping[str, Sequence[Secret]], *, anchored: Sequence[Secret]) -> str:
    lines = [f"{phase.value})"]
    for name, of in wanted.items():
        for one in of:
            if one.phase is phase:
                lines += _block(name, one, needs_anchor=one in anchored)
    return "\n".join([*lines, "  ;;"])


def _block(cluster: str, one: Secret, *, needs_anchor: bool) -> Iterator[str]:
    """Yield the lines for one Secret; here-documents keep their lines."""
    yield f"  # {one.title}"
    yield f'  CONTEXT="${variable(cluster)}"'
    body = [*(("anchor",) if needs_anchor else ()), *one.commands]
    if one.exists:
        yield f"  if ! {_kubectl(cluster, one.exists)} >/dev/null 2>&1; then"
        yield from body
        yield "  fi"
    else:
        yield from body


def _kubectl(cluster: str, rest: str) -> str:
    return f'kubectl --context="${variable(cluster)}" {rest}'
