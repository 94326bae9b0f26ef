"""`lab network`: the distance between clusters, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.distance import Distance, conflicts, delay_ms, loss_percent, rate_kbit
from lab.base.errors import UsageError
from lab.cli.groups import TRAFFIC
from lab.cli.named import cluster_of, lab_of, locked, need_nodes
from lab.cli.options import AsJson, ConfigFile, ShowCommands, cluster_names
from lab.cli.output import done, out, print_json, table_of, waiting

if TYPE_CHECKING:
    from lab.clusters.provider import OneWay
    from lab.lab import Lab
    from lab.lifecycle.distances import Measured, Pair

_SET = "lab network {} {} --delay 80ms"
_BY = {
    "netem": "by netem, in the engine's kernel",
    "delay line": "by a delay line in each direction, a small program of the lab: the engine's kernel lacks netem",
}


@dataclass(frozen=True, kw_only=True)
class Between:
    """What is set between two clusters, and what a round trip and a request cost now, from the first to the second."""

    source: str
    target: str
    directions: Sequence[OneWay]
    problem: str
    measured: Measured


@dataclass(frozen=True, kw_only=True)
class NetworkChange:
    """A distance that was set or cleared (`distance` is then None); `changed` is False if it was so before."""

    source: str
    target: str
    distance: Distance | None
    means: str | None
    changed: bool
    commands: Sequence[str]
    before: Measured | None
    after: Measured | None


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=TRAFFIC)(network)


def network(
    first: Annotated[
        str | None, typer.Argument(metavar="CLUSTER", autocompletion=cluster_names, help="One cluster.")
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="CLUSTER", autocompletion=cluster_names, help="The other cluster.")
    ] = None,
    delay: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What a round trip gets longer by, half in each direction: 80ms, 0.2s."),
    ] = None,
    jitter: Annotated[
        str | None, typer.Option(metavar="TIME", help="What a round trip varies by, up or down: 10ms.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="SHARE", help="The share of packets lost, in each direction: 1%.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Most bits per second, in each direction: 500kbit, 20mbit, 1gbit."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Undo it; without clusters, all distances.")] = False,
    show: ShowCommands = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Set the distance between two clusters, or show all distances.

    Both nodes delay, lose and limit their packets to each other, by netem or a small program; the output says which. It
    measures a ping and a request before and after. Options that are left out are not set. Open connections stay open. A
    restart of a node ends its half; `lab up` sets the distances of lab.toml again.

    Example: `lab network west east --delay 80ms --jitter 10ms --loss 1% --rate 20mbit`; `lab network west east --clear`
    undoes it.
    """
    distance = _distance(delay=delay, jitter=jitter, loss=loss, rate=rate)
    ends = (first, second)
    if distance is not None and clear:
        raise UsageError("--clear undoes a distance, and cannot be used with one", next="lab network --clear")
    lab = lab_of(file)
    if first and second:
        _different(lab, first, second)
    elif first or distance is not None:
        named = cluster_of(lab, first).name if first else lab.west.name
        raise UsageError("name two clusters", next=_SET.format(named, _other(lab, named)))
    if show and distance is None and not clear:
        raise UsageError(
            "nothing to show: set a distance, or --clear", next=_SET.format(lab.west.name, lab.east.name) + " --show"
        )
    need_nodes(lab)
    pair = (ends[0], ends[1]) if ends[0] and ends[1] else None
    if distance is None and not clear:
        _list(lab, pair, as_json=as_json)
    elif show:
        _show(lab, pair, distance)
    elif distance is not None and pair is not None:
        _set(lab, pair, distance, as_json=as_json)
    else:
        _clear(lab, pair, as_json=as_json)


def _distance(*, delay: str | None, jitter: str | None, loss: str | None, rate: str | None) -> Distance | None:
    """Return the distance that the options name; None without options.

    Raises:
        UsageError: a value is not valid, or not with the others.
    """

    def parsed(name: str, text: str | None, parse: Callable[[str], float]) -> float:
        try:
            return parse(text) if text is not None else 0
        except ValueError as error:
            raise UsageError(f"--{name}: {error}", next="lab network --help") from error

    if delay is jitter is loss is rate is None:
        return None
    distance = Distance(
        delay_ms=parsed("delay", delay, delay_ms),
        jitter_ms=parsed("jitter", jitter, delay_ms),
        loss_percent=parsed("loss", loss, loss_percent),
        rate_kbit=int(parsed("rate", rate, rate_kbit)),
    )
    for option, words in conflicts(distance):
        raise UsageError(f"--{option}: {words}", next="lab network --help")
    return distance


def _different(lab: Lab, first: str, second: str) -> None:
    if cluster_of(lab, first).name == cluster_of(lab, second).name:
        raise UsageError(f"both clusters are {first}", next=f"name two of: {', '.join(lab.clusters)}")


def _other(lab: Lab, name: str) -> str:
    return next(other for other in lab.clusters if other != name)


def _list(lab: Lab, pair: Pair | None, *, as_json: bool) -> None:
    from lab.base.concurrency import each
    from lab.clusters import provider
    from lab.lifecycle import distances

    with waiting("lab network"):
        found = distances.by_pair(lab, provider().wire.state(lab, list(lab.clusters)).distances)
        wanted = [_measurable(lab, one) for one in distances.pairs(lab)] if pair is None else [pair]

        def one(ends: Pair) -> Between:
            sides = found.get(distances.pair_of(lab, *ends), ())
            return Between(
                source=ends[0],
                target=ends[1],
                directions=sides,
                problem=distances.broken(ends, sides) if sides else "",
                measured=distances.measure(lab, *ends),
            )

        rows = each(one, wanted)
    if as_json:
        print_json(out(), rows)
        return
    table = table_of("from", "to", "distance", "by", "ping", "request")
    for row in rows:
        distance = distances.text(row.directions) if row.directions else "none"
        means = row.directions[0].means.value if row.directions else "-"
        table.add_row(row.source, row.target, distance, means, _ms(row.measured.ping_ms), _ms(row.measured.request_ms))
    console = out()
    console.print(table)
    for row in rows:
        if row.problem:
            console.print(f"✗ {row.source} and {row.target}: {row.problem}", style="bold red", soft_wrap=True)
    for words in dict.fromkeys(line for row in rows for line in _how(row.measured)):
        typer.echo(words)


def _measurable(lab: Lab, pair: Pair) -> Pair:
    """Return a pair in the order in which its second cluster exports a service, if it does."""
    exporting = {name for sources in lab.spec.exports.values() for name in sources}
    return pair if pair[1] in exporting or pair[0] not in exporting else (pair[1], pair[0])


def _show(lab: Lab, pair: Pair | None, distance: Distance | None) -> None:
    from lab.lifecycle import distances

    for ends in [pair] if pair else _set_pairs(lab):
        for command in distances.shown(lab, ends, distance):
            typer.echo(command)


def _set_pairs(lab: Lab) -> list[Pair]:
    from lab.clusters import provider
    from lab.lifecycle import distances

    return list(distances.by_pair(lab, provider().wire.state(lab, list(lab.clusters)).distances))


def _set(lab: Lab, pair: Pair, distance: Distance, *, as_json: bool) -> None:
    from lab.clusters import provider
    from lab.lifecycle import distances

    with locked(lab, "lab network"), waiting("lab network"):
        state = provider().wire.state(lab, list(lab.clusters))
        sides = distances.by_pair(lab, state.distances).get(distances.pair_of(lab, *pair), ())
        changed = not distances.is_whole(sides, distance)
        before = distances.measure(lab, *pair)
        commands = distances.put(lab, pair, distance) if changed else []
        means = sides[0].means if not changed else provider().wire.means(lab.clusters[pair[0]])
        after = distances.measure(lab, *pair) if changed else before
    change = NetworkChange(
        source=pair[0],
        target=pair[1],
        distance=distance,
        means=means.value,
        changed=changed,
        commands=commands,
        before=before,
        after=after,
    )
    if as_json:
        print_json(out(), change)
        return
    words = f"{pair[0]} and {pair[1]} are {distance} apart"
    _tell(change, words if changed else f"{words} already")
    typer.echo(f"  {_BY[means.value]}")
    typer.echo(f"  `lab network {pair[0]} {pair[1]} --clear` undoes it")


def _clear(lab: Lab, pair: Pair | None, *, as_json: bool) -> None:
    from lab.lifecycle import distances

    changes = []
    with locked(lab, "lab network"), waiting("lab network"):
        there = _set_pairs(lab)
        for ends in [pair] if pair else there:
            changed = distances.pair_of(lab, *ends) in there
            before = distances.measure(lab, *ends) if changed else None
            # Also where the nodes have no record of one: an interrupted command can have left a part of netem.
            commands = distances.clear(lab, ends)
            changes.append(
                NetworkChange(
                    source=ends[0],
                    target=ends[1],
                    distance=None,
                    means=None,
                    changed=changed,
                    commands=commands,
                    before=before,
                    after=distances.measure(lab, *ends) if changed else None,
                )
            )
    if as_json:
        print_json(out(), changes)
        return
    for change in changes:
        names = f"{change.source} and {change.target}"
        _tell(change, f"{names} have no distance" if change.changed else f"{names} had no distance")
    if not changes:
        typer.echo("= nothing to undo: no cluster has a distance to another one")


def _tell(change: NetworkChange, words: str) -> None:
    """Print the commands of a change, what it did, and what a ping and a request cost before and after."""
    for command in change.commands:
        typer.echo(f"$ {command}")
    if not change.changed:
        typer.echo(f"= nothing to change: {words}")
        return
    done(words)
    if change.before is None or change.after is None:
        return
    table = table_of(f"{change.source} → {change.target}", "before", "after")
    table.add_row("ping", _ms(change.before.ping_ms), _ms(change.after.ping_ms))
    table.add_row("request", _ms(change.before.request_ms), _ms(change.after.request_ms))
    out().print(table)
    for line in _how(change.after):
        typer.echo(line)


def _how(measured: Measured) -> list[str]:
    request = measured.request if measured.request_ms is None else f"the median of {measured.request}"
    return [f"ping: the median of {measured.ping}", f"request: {request}"]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
