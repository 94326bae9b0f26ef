"""Run a lab for an hour under load, with a random fault each minute, and report what each fault cost.

It brings up a lab of its own with `lab up --yes`, which installs what is missing on the machine (`lab status --config
soak-results/lab.toml` shows the lab), and deletes it at the end, also after Ctrl-C: that undoes the fault that is in
place, and reports what was measured. No request may be lost while nothing is broken, and memory, open files,
connections and objects may not grow. The same seed repeats the faults.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

from rich.console import Console

from lab import stacks
from lab.base import cancel, process
from lab.base.errors import LabError, UsageError
from lab.base.paths import Paths
from lab.cli.named import lab_of
from lab.lab import Lab
from lab.measure.load import Load, through_frontend
from lab.measure.under_load import UnderLoad
from lab.mesh.model import Failover
from lab.report.environment import steps_of
from lab.tools.docker import Docker
from soak import growth, minutes
from soak.faults import drawn, of_lab
from soak.report import Report

NAME, SERVICE = "soak", "podinfo"
PORTS = {"east": 39081, "west": 39080}
_LONGEST_MIN, _MOST_PER_S = 24 * 60, 200.0
_DOWN_S = 120.0
console = Console()


def main() -> int:
    """Run a soak; return 1 if something is not as it must be, and 130 after Ctrl-C."""
    options = _options()
    with cancel.on_signals(lambda: os._exit(130)):
        try:
            return _in_own_lab(options, options.output.absolute() / "lab.toml")
        except KeyboardInterrupt:
            console.print("interrupted")
            return 130
        except LabError as error:
            for one in (error.__context__, error):  # `lab down` can fail after another error
                if isinstance(one, LabError):
                    next_command = f"; next: {one.next}" if one.next else ""
                    console.print(f"✗ {one}{next_command}", style="red", markup=False, soft_wrap=True)
            return 1


def _in_own_lab(options: argparse.Namespace, file: Path) -> int:
    """Run the soak in a lab that it creates and deletes.

    Raises:
        UsageError: there is a lab of its name; nothing was changed.
        LabError: the lab could not be brought up or deleted.
    """
    if Paths.of(NAME).has_state:
        down = f"lab down --config {file}"
        raise UsageError(f"a lab {NAME!r} exists; a soak that was killed leaves one", next=down)
    ports = "".join(f"[clusters.{name}]\ningress_port = {port}\n" for name, port in PORTS.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'name = "{NAME}"\nstack = "{options.stack}"\n[ha]\ngateways = 2\n{ports}', encoding="utf-8")
    try:
        _lab(file, "up", "--yes")
        return _soak(options, lab_of(file), file)
    finally:
        with cancel.undoing(_DOWN_S):
            _lab(file, "down")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s soak --", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="faults, one for each minute; default 60")
    parser.add_argument("--seed", type=int, default=None, help="fixes the order of the faults; default: a random one")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second; default 50")
    parser.add_argument("--stack", default="auto", choices=("auto", *stacks.STACKS), help="the stack of the lab")
    parser.add_argument("--restart-engine", default="", metavar="COMMAND", help="a command that restarts the engine")
    parser.add_argument("--output", type=Path, default=Path("soak-results"), help="folder for the results")
    options = parser.parse_args()
    if not 1 <= options.minutes <= _LONGEST_MIN:
        parser.error(f"--minutes: from 1 to {_LONGEST_MIN}")
    if not 2 <= options.rate <= _MOST_PER_S:
        parser.error(f"--rate: from 2 to {_MOST_PER_S:g}")
    if options.seed is None:
        options.seed = random.randrange(1 << 16)  # noqa: S311 - the order is not a secret
    return options


def _soak(options: argparse.Namespace, lab: Lab, file: Path) -> int:
    mesh, docker = stacks.mesh(lab), Docker()
    failover = Failover(cluster=lab.west.name, service=SERVICE, primary=lab.west.name, backup=lab.east.name)
    executor = steps_of(lab, mesh, full=False).executor

    def repair() -> None:
        """Run `lab up`, which waits for the answers of a lab without a failover."""
        mesh.unfail_over(failover.cluster, failover.service)
        try:
            _lab(file, "up", "--yes", quiet=True)
        finally:
            mesh.fail_over(failover)

    mesh.fail_over(failover)
    known = of_lab(
        lab,
        mesh,
        execute=lambda actions: executor.do(NAME, actions),
        repair=repair,
        engine=options.restart_engine,
    )
    faults = drawn(known, seed=options.seed, count=options.minutes)
    console.print(f"{options.minutes} minutes, {options.rate:g} requests/s, seed {options.seed}: {len(known)} faults")
    loads = UnderLoad(loads=_loads(lab, options.rate))
    run = minutes.Run()
    try:
        minutes.run(run, faults, loads, sample=lambda at_s: growth.take(docker, lab, at_s), tell=_say)
    finally:
        report = Report(run=run, stack=mesh.name, seed=options.seed, minutes=options.minutes, rate_per_s=options.rate)
        report.show(console)
        console.print(f"written to {report.write(options.output)}")
    return 1 if report.problems else 0


def _loads(lab: Lab, rate_per_s: float) -> list[Load]:
    """Return the loads: clients that prefer West's ingress, and clients that prefer East's; both try the other one."""
    urls = {name: lab.ingress_url(name) for name in (lab.west.name, lab.east.name)}
    return [
        Load(
            f"through {name.title()}'s ingress first",
            rate_per_s / len(urls),
            through_frontend([url, *(other for other in urls.values() if other != url)], SERVICE),
        )
        for name, url in urls.items()
    ]


def _lab(file: Path, *words: str, quiet: bool = False) -> None:
    """Run a command of the lab.

    Raises:
        LabError: it failed.
    """
    process.run(
        [sys.executable, "-m", "lab", *words, "--config", str(file)],
        on_line=None if quiet else _say,
    )


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
