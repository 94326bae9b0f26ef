"""The README.md of a folder: how to install it, what to open and replace, and how each wire is checked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from lab.initialize import dashboards, platforms
from lab.initialize.apply import InstallStep, kubectl, upstream_title
from lab.initialize.choices import FILE_NAME, Choices
from lab.initialize.ingresses import INGRESSES, IngressFacts
from lab.initialize.model import ClusterChoice, Option
from lab.initialize.options import CATEGORIES
from lab.initialize.options.components import variable
from lab.initialize.options.delivery import GIT
from lab.initialize.tree import wires
from lab.initialize.urls import PORTS, public_url

_TEXT = """\
# {title}

`lab initialize` wrote this folder from {file}. The same choices as a URL: `{query}`

{choices}
## Requirements

- {clusters}, with {contexts} for kubectl. kubectl 1.31 or newer.
{requirements}
## Clusters

{platform}
## Install

`sh apply.sh {usage}` runs these commands:

```sh
{assignments}
```
{steps}
A command that ran before can run again, and so can `apply.sh`: if it fails, it keeps its keys, and prints the command
that continues. If a controller has changed a field meanwhile, `kubectl apply` names it; add
`--force-conflicts` to take it back.

## Open

{urls}
## Replace

{values}
## Wires

In this folder, with the variables of Install, this command runs these checks:

```sh
{verify}
```

Each check's last command must print what the line above it says.
{wires}
## What this folder does not have

{left_out}
## Files

- `base/`: what all clusters share, a folder for each part; `clusters/`: what differs, and the order of apply.
- `IMAGES.txt`: all images, for mirroring them.{registry}
- `{file}`: the choices. `lab initialize update .` with other flags changes them, shows the difference first, and keeps
  your edits. `.initializer/` has the files as they were written, which the update compares with yours.
"""


def readme(
    choices: Choices, by_cluster: Mapping[str, ClusterChoice], steps: Sequence[InstallStep], *, programs: Sequence[str]
) -> str:
    """Return the text.

    Args:
        choices: the choices.
        by_cluster: what the options' functions get, by cluster.
        steps: the commands that install the folder.
        programs: upstream's programs that create-secrets.sh runs.
    """
    names = [variable(cluster) for cluster in choices.clusters]
    return _TEXT.format(
        title="East and West" if len(names) > 1 else "One cluster",
        file=FILE_NAME,
        query=choices.query(),
        choices="".join(_choices(choices)),
        clusters="Two clusters" if len(names) > 1 else "A cluster",
        contexts="contexts" if len(names) > 1 else "a context",
        usage=" ".join(names),
        requirements="".join(f"- {line}\n" for line in _requirements(choices, programs)),
        platform="\n".join(_platform(choices)),
        assignments="\n".join([*_assigned(choices), "KEYS=$(mktemp -d)", _export(names)]),
        steps="".join(f"\n{n}. {step.title}\n\n```sh\n{_lines(step)}\n```\n" for n, step in enumerate(steps, start=1)),
        urls="".join(_urls(choices, by_cluster)),
        values="".join(_values(choices)),
        verify=_verify(choices),
        wires="".join(_wires(choices, by_cluster)),
        left_out="".join(_left_out(choices, steps)),
        registry=f"\n  They are expected in `{choices.registry}`: the second column." if choices.registry else "",
    )


def _platform(choices: Choices) -> Iterator[str]:
    """Yield the commands by which a person gets the clusters, or their contexts."""
    commands = platforms.create(choices)
    yield "Unless they exist:" if commands else "With your own words for those in capital letters:"
    yield from ("", "```sh", *(commands or platforms.connect(choices)), "```", "")


def _assigned(choices: Choices) -> Iterator[str]:
    for name, context in platforms.contexts(choices).items():
        yield f"{variable(name)}={context or '…'}  # kubectl context"


def _export(names: Sequence[str]) -> str:
    return f"export {' '.join(names)} KEYS"


def _lines(step: InstallStep) -> str:
    return "\n".join(step.commands)


def _choices(choices: Choices) -> Iterator[str]:
    yield "| choice | | version | licence | upstream |\n| --- | --- | --- | --- | --- |\n"
    for category in CATEGORIES:
        chosen = [option for option in category.options if option.id in choices.selected[category.id]]
        for option in chosen:
            facts = (option.version, option.license, option.upkeep.value if option.version else "")
            yield f"| {category.title} | {option.title}: {option.says} | {' | '.join(facts)} |\n"
    yield "\n"


def _requirements(choices: Choices, programs: Sequence[str]) -> Iterator[str]:
    if programs:
        yield f"{' and '.join(programs)}, which the scripts run."
    yield "OpenSSL 3, if the scripts create keys."
    if choices.source or "argocd" in choices.ids:
        yield f"This folder in a repository that the clusters reach, at its root: `{choices.source or GIT}`."
    if choices.form == "helmfile":
        yield "helmfile, helm and kustomize."
    for option in choices.options:
        yield from option.notes


def _urls(choices: Choices, by_cluster: Mapping[str, ClusterChoice]) -> Iterator[str]:
    ingress = next((INGRESSES[id_] for id_ in INGRESSES if id_ in choices.ids), None)
    if ingress is None:
        yield "There is no ingress: `kubectl port-forward` reaches each Service.\n"
        return
    for name in by_cluster:
        yield from _forward(name, ingress, choices)
        if "podinfo" in choices.ids:
            yield f"- {public_url(name)}/podinfo/: podinfo of {name}\n"
        for page in dashboards.pages(choices.options):
            yield f"- {public_url(name)}{page.path}: {page.title} of {name}\n" if page.path else f"- {page.title}\n"
    if choices.ids & dashboards.PROTECTED and not dashboards.are_protected(choices.ids):
        yield "\nNothing protects the dashboards, so the ingress does not route to them. Forward a port of one:\n"
        for name, choice in by_cluster.items():
            for one in dashboards.chosen(choice):
                forward = f"{kubectl(name, one.namespace)} port-forward service/{one.service} {one.port}"
                yield f"\n```sh\n{forward}  # {one.title} of {name}: http://localhost:{one.port}{one.path}\n```\n"


def _forward(cluster: str, ingress: IngressFacts, choices: Choices) -> Iterator[str]:
    if choices.ids & {"docker-desktop"}:
        yield f"\n{cluster}: Docker Desktop publishes port 80; for the URLs below, forward a port, too:\n"
    else:
        yield f"\n{cluster}, while this command runs:\n"
    forward = f"port-forward service/{ingress.service} {PORTS[cluster]}:{ingress.port}"
    yield f"\n```sh\n{kubectl(cluster, ingress.namespace)} {forward}\n```\n\n"


def _values(choices: Choices) -> Iterator[str]:
    values = [value for option in choices.options for value in option.values]
    ingress = bool(choices.ids & {*INGRESSES})
    if ingress:
        for name in choices.clusters:
            yield f"- `{public_url(name)}`: the address under which browsers reach the ingress of {name}\n"
    if "oauth2-proxy" in choices.ids and "oidc-provider" not in choices.ids:
        yield "- `https://issuer.example`: the issuer of your OpenID provider; register `…/oauth2/callback` there\n"
    for value in values:
        if not (choices.source and "git.example" in value.text):
            yield f"- `{value.text}`: {value.meaning}\n"
    if not values and not ingress:
        yield "Nothing.\n"


def _verify(choices: Choices) -> str:
    contexts = (f'--cluster {name}="${variable(name)}"' for name in choices.clusters)
    return " ".join(["lab initialize verify .", *contexts])


def _wires(choices: Choices, by_cluster: Mapping[str, ClusterChoice]) -> Iterator[str]:
    for wire in wires(choices):
        yield f"\n### {wire.id}\n\n{wire.says}\n"
        for name, choice in by_cluster.items():
            for check in wire.checks(choice):
                yield f"\n{name}: {check.proves}; expect {check.expected}:\n\n```sh\n"
                yield "".join(f"{command_line(name, words)}\n" for words in (*check.before, check.ask))
                yield "```\n"


def command_line(cluster: str, words: Sequence[str]) -> str:
    """Return a check's command for a shell."""
    return f"{kubectl(cluster)} {shlex.join(words)}"


def _left_out(choices: Choices, steps: Sequence[InstallStep]) -> Iterator[str]:
    yield "- Secrets: `create-secrets.sh` creates them in the clusters.\n"
    for option in choices.options:
        if option.id in choices.unavailable:
            number = next(n for n, step in enumerate(steps, start=1) if step.title == upstream_title(option))
            yield from _unavailable(option, number)
        elif option.reference:
            yield from _reference(option)


def _unavailable(option: Option, number: int) -> Iterator[str]:
    yield (
        f"- {option.title} {option.version}. {option.reference[0]}\n"
        f"  Step {number} of the installation runs upstream's own program instead. Its images are not in "
        "`IMAGES.txt`.\n"
        "  `lab initialize update .` adds the YAML on a machine that has it.\n"
    )


def _reference(option: Option) -> Iterator[str]:
    reason, *commands = option.reference
    yield f"- {option.title} {option.version}".rstrip() + f". {reason} Install it in each cluster:\n\n"
    yield "  ```sh\n" + "".join(f"  {line}\n" for line in commands) + "  ```\n"
