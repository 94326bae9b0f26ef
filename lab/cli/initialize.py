"""`lab initialize`: choose components, and write a folder with the YAML of one cluster or of East and West."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lab.base.errors import HostError, UsageError
from lab.cli import initialize_form
from lab.cli.groups import LIFECYCLE
from lab.cli.initialize_next import next_commands, print_check, verify_again
from lab.cli.initialize_options import (
    Apps,
    Authentication,
    Certificates,
    Clusters,
    Delivery,
    Form,
    IngressName,
    MeshName,
    Observability,
    Platform,
    Profile,
    Registry,
    Serverless,
    Source,
    contexts,
    contexts_of,
    toml_files,
)
from lab.cli.initialize_page import page
from lab.cli.options import AsJson
from lab.cli.output import done, out, print_json, waiting, warn

if TYPE_CHECKING:
    from lab.initialize.choices import Choices
    from lab.initialize.render import RenderedFolder
    from lab.initialize.sources import StoreSources
    from lab.initialize.verify import WireResult

_WRITE = "folder"


class _Initialize(TyperGroup):
    """A group whose first command needs no name: `lab initialize FOLDER`."""

    unnamed = _WRITE

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the name of the first command, unless the words begin with another one or with --help."""
        named = args[:1] and (args[0] in self.commands or args[0] == "--help")
        rest: list[str] = super().parse_args(ctx, args if named else [self.unnamed, *args])
        return rest


initialize_app = typer.Typer(
    cls=_Initialize,
    subcommand_metavar="[FOLDER] | COMMAND [ARGS]...",
    help="Choose components, and write their YAML into a folder.\n\n"
    "`lab initialize` alone asks on a terminal for every choice and for FOLDER, and `lab initialize FOLDER` for every "
    "choice. With choices, such as `lab initialize FOLDER --mesh linkerd`, it writes at once. `lab initialize folder "
    "--help` lists them.",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    initialize_app.command()(page)
    app.add_typer(initialize_app, name="initialize", rich_help_panel=LIFECYCLE)


@initialize_app.command(_WRITE, hidden=True)
def folder(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A folder that is empty or does not exist.")
    ] = None,
    platform: Platform = None,
    clusters: Clusters = None,
    mesh: MeshName = None,
    ingress: IngressName = None,
    certificates: Certificates = None,
    authentication: Authentication = None,
    observability: Observability = None,
    delivery: Delivery = None,
    serverless: Serverless = None,
    apps: Apps = None,
    form: Form = None,
    registry: Registry = None,
    source: Source = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER|URL",
            autocompletion=toml_files,
            help="Take the choices of an initializer.toml, of a folder that has one, or of a URL.",
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List all options with version, licence and upkeep; write nothing.")
    ] = False,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the files' sizes and names, with --json their contents; write nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder with the YAML of one cluster or of East and West.

    Without choices, it asks on a terminal, also for FOLDER. At the end, it prints the commands that install the
    folder; FOLDER/README.md explains them. `folder` can be omitted: `lab initialize FOLDER`.

    Example: lab initialize my-clusters --mesh istio --observability prometheus --apps podinfo
    """
    if list_:
        initialize_form.print_options(as_json=as_json)
        return
    flags = _flags(
        platform=platform,
        clusters=clusters,
        mesh=mesh,
        ingress=ingress,
        certificates=certificates,
        authentication=authentication,
        observability=observability,
        delivery=delivery,
        serverless=serverless,
        apps=apps,
        form=form,
        registry=registry,
        source=source,
    )
    from lab.initialize import folder as profile
    from lab.initialize.alternatives import check

    asks = not flags and given is None and not as_json and _has_terminal()
    if folder is None and not show and not asks:
        raise UsageError("FOLDER is missing", next="lab initialize FOLDER, or lab initialize --list")
    if folder is not None and not show:
        profile.check_new(folder)
        profile.check_creatable(folder)
    choices = check(initialize_form.form() if asks else _choices(flags, given))
    if folder is None and not show:
        folder = initialize_form.folder()
    with initialize_form.kept(choices, folder) if asks else nullcontext():
        made, _ = _rendered(choices)
        count = 0 if show or folder is None else profile.write(folder, made.files)
    if show or folder is None:
        _show(made, as_json=as_json)
        return
    if as_json:
        print_json(out(), {"folder": str(folder), "query": choices.query(), "files": list(made.files)})
        return
    done(f"{count} files in {folder}; {folder / 'README.md'} explains them")
    if asks:
        typer.echo(f"  the same without questions: {choices.command(str(folder))}")
    for line in next_commands(folder, choices, made.files):
        typer.echo(line)


@initialize_app.command()
def update(
    folder: Profile,
    platform: Platform = None,
    clusters: Clusters = None,
    mesh: MeshName = None,
    ingress: IngressName = None,
    certificates: Certificates = None,
    authentication: Authentication = None,
    observability: Observability = None,
    delivery: Delivery = None,
    serverless: Serverless = None,
    apps: Apps = None,
    form: Form = None,
    registry: Registry = None,
    source: Source = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the difference only; exit 1 if there is one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Update FOLDER, and keep your edits.

    The new files are those of other choices, or of this version of the lab. Choices that no flag names stay as
    `initializer.toml` in FOLDER has them: the defaults below are those of a new folder.

    Shows the difference, and asks before it writes; without a terminal, and with --json, it needs --yes. Where your
    edit and the update change the same lines, the file gets conflict markers, and the exit code is 1.

    Example: lab initialize update my-clusters --observability prometheus --diff
    """
    from lab.initialize import choices as chosen
    from lab.initialize import folder as profile
    from lab.initialize import update as updates
    from lab.initialize.alternatives import check

    flags = _flags(
        platform=platform,
        clusters=clusters,
        mesh=mesh,
        ingress=ingress,
        certificates=certificates,
        authentication=authentication,
        observability=observability,
        delivery=delivery,
        serverless=serverless,
        apps=apps,
        form=form,
        registry=registry,
        source=source,
    )
    _recover(folder)
    before = profile.choices_of(folder)
    made, _ = _rendered(check(chosen.of(flags, source="the command line", base=before)))
    planned = updates.plan(folder, made.files)
    if not as_json:
        typer.echo("".join(one.diff() for one in planned.effective), nl=False)
        for line in updates.summary(planned):
            typer.echo(line, err=True)
    if not diff:
        if planned.effective:
            count = _files(len(planned.effective))
            next_ = f"lab initialize update {shlex.quote(str(folder))} {shlex.join(_words(flags))}".strip()
            _ask(f"change {count} in {folder}?", yes=yes, can_ask=not as_json, next=f"{next_} --yes")
        if planned.effective or not planned.is_recorded:
            planned.apply(folder)
    if as_json:
        changes = [{"path": one.path, "change": one.change.value} for one in planned.changes]
        written = bool(planned.effective) and not diff
        print_json(
            out(), {"folder": str(folder), "written": written, "changes": changes, "conflicts": planned.conflicts}
        )
    elif not diff:
        done(
            f"{_files(len(planned.effective))} changed in {folder}" if planned.effective else f"{folder} is up to date"
        )
        if planned.conflicts:
            warn(f"resolve the conflict markers (<<<<<<<) in: {', '.join(planned.conflicts)}")
    if planned.conflicts or (diff and planned.effective):
        raise typer.Exit(1)


def _recover(folder: Path) -> None:
    from lab.initialize import folder as profile

    if profile.recover(folder):
        warn(f"an update of {folder} was interrupted before; its files are as they were before that update")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _words(flags: Mapping[str, str]) -> list[str]:
    return [word for name, value in flags.items() for word in (f"--{name}", value)]


@initialize_app.command()
def verify(
    folder: Profile,
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster",
            metavar="NAME=CONTEXT",
            autocompletion=contexts,
            help="The kubectl context of east or west. Default: its name.",
        ),
    ] = None,
    wire: Annotated[list[str] | None, typer.Option("--wire", metavar="ID", help="Check this wire only.")] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="The kubeconfig with the contexts. Default: kubectl's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the wires of FOLDER work in running clusters.

    The checks are kubectl commands, which FOLDER/README.md shows. If one fails, the exit code is 1.

    Example: lab initialize verify my-clusters --cluster east=kind-east --cluster west=kind-west
    """
    from lab.initialize import folder as profile
    from lab.initialize.tree import wires
    from lab.initialize.verify import Verifier

    _recover(folder)
    choices = profile.choices_of(folder)
    known = [one.id for one in wires(choices)]
    if unknown := [name for name in wire or () if name not in known]:
        raise UsageError(f"{', '.join(unknown)} is not a wire of this folder", next=f"one of: {', '.join(known)}")
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise HostError("command not found: kubectl", next="install kubectl, or put it on PATH")
    verifier = Verifier(
        kubectl=kubectl,
        contexts=contexts_of(choices, cluster or []),
        kubeconfig=str(kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"),
    )
    verifier.check_contexts()
    checks, results = verifier.verify(choices, _sources(choices), only=wire or ()), []
    while (result := _waited(checks)) is not None:
        results.append(result)
        if not as_json:
            print_check(result)
    if as_json:
        print_json(out(), results)
    failed = [result for result in results if not result.passed]
    if failed:
        again = verify_again(folder, {one.wire for one in failed}, contexts=cluster or [], kubeconfig=kubeconfig)
        warn(
            f"{len(failed)} of {len(results)} checks failed; each wire and its commands: {folder / 'README.md'}, Wires"
        )
        typer.echo(f"next, after a fix:  {again}", err=True)
        raise typer.Exit(1)


def _waited(checks: Iterator[WireResult]) -> WireResult | None:
    """Return the next check's result, and show what it waits for; None after the last one."""
    with waiting("lab initialize verify"):
        return next(checks, None)


def _flags(*, form: str | None, **given: str | None) -> dict[str, str]:
    return {name: value for name, value in {**given, "as": form}.items() if value is not None}


def _choices(flags: Mapping[str, str], given: str | None) -> Choices:
    from lab.initialize import choices as chosen
    from lab.initialize import folder as profile

    base = profile.choices_from(given) if given is not None else None
    return chosen.of(flags, source="the command line", base=base)


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _sources(choices: Choices) -> StoreSources:
    """Return the sources of the choices' YAML; download or build what is missing."""
    from lab.base.paths import Paths
    from lab.initialize import obtaining
    from lab.initialize.sources import NAME, StoreSources

    sources = StoreSources(Paths.of(NAME))
    if missing := obtaining.missing(choices, sources):
        with waiting("lab initialize"):
            for name in missing:
                obtaining.obtain(name, sources)
    return sources


def _rendered(choices: Choices) -> tuple[RenderedFolder, StoreSources]:
    from lab.initialize.render import render

    sources = _sources(choices)
    with waiting("lab initialize"):
        made = render(choices, sources)
    for sentence in made.warnings:
        warn(sentence)
    return made, sources


def _show(made: RenderedFolder, *, as_json: bool) -> None:
    if as_json:
        print_json(out(), made.files)
        return
    for path, text in made.files.items():
        typer.echo(f"{len(text.encode()):9,}  {path}")


def _ask(question: str, *, yes: bool, can_ask: bool, next: str) -> None:  # noqa: A002
    if yes:
        return
    if not (can_ask and _has_terminal()):
        raise UsageError(
            "the update changes files, and there is no terminal to confirm it; nothing was changed", next=next
        )
    if not typer.confirm(question, default=False):
        raise typer.Abort
