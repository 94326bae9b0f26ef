"""Measure the lab, compare it with the same steps in sequence, and write JSON and a table.

With `--clusters 6`, it also measures `lab up` with three to six clusters, and what each further one costs.

The comparison runs the plan of `lab up` one step at a time, on nodes from the plain node image, and loads the images
afterwards, as a person does who follows the documented commands. Durations are wall-clock time and differ between
machines: compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from lab import config, stacks
from lab.artifacts import ArtifactStore
from lab.base.paths import Paths
from lab.base.step import Step
from lab.cli.progress import showing
from lab.lab import Lab
from lab.lifecycle import artifacts, plan, runner
from lab.lifecycle import down as teardown

NAME = "bench"
PORTS = {"east": 38081, "west": 38080, "north": 38082, "south": 38083, "alps": 38084, "bay": 38085}
"""The clusters with their ports: of a lab with n clusters, the first n."""
TWO = 2
_MIB = 1 << 20
_LINUX_ONLY = "bench needs the engine on this machine, for the memory of its processes: run it on Linux"
console = Console()


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One figure with its limit and unit."""

    name: str
    value: float
    at_most: float | None
    unit: str = "s"

    @property
    def met(self) -> bool | None:
        """Whether the figure is within its limit; None without a limit."""
        return None if self.at_most is None else self.value <= self.at_most


def main() -> int:
    """Measure, print and write the figures; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--artifacts", action="store_true", help="also build all artifacts from scratch (20 minutes)")
    parser.add_argument(
        "--clusters", type=int, default=TWO, choices=range(TWO, len(PORTS) + 1), help="also measure with up to so many"
    )
    parser.add_argument("--stack", default="auto", choices=("auto", *stacks.STACKS), help="the stack to measure")
    parser.add_argument("--output", type=Path, default=Path("bench-results"), help="folder for the results")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit(_LINUX_ONLY)
    figures = list(artifact_figures(options.stack)) if options.artifacts else []
    with tempfile.TemporaryDirectory() as state:
        figures += lab_figures(Path(state), options.stack)
        if options.clusters > TWO:
            figures += further_figures(Path(state), options.stack, options.clusters)
    write(figures, options.output)
    return 0 if all(figure.met is not False for figure in figures) else 1


def artifact_figures(stack: str) -> Sequence[Goal]:
    """Build all artifacts of `lab up` in an empty cache, then delete that cache.

    The images stay in the engine: images with the same key have the same content.
    """
    with tempfile.TemporaryDirectory() as cache:
        lab = _lab(Path(cache), stack, cache=Path(cache))
        took = timed("artifacts from nothing", lambda: run(artifacts.steps(lab, stacks.current(lab).artifacts(lab))))
        artifacts.make_writable(Path(cache))
        return [Goal(name="artifacts from nothing", value=took, at_most=1200)]


def lab_figures(state: Path, stack: str) -> list[Goal]:
    """Measure `lab up`, a second `lab up` and `lab down`, then the same steps in sequence."""
    lab = _lab(state, stack)
    name = stacks.current(lab).name
    run(artifacts.steps(lab, stacks.current(lab).artifacts(lab)))
    teardown.down(lab, warn=print)
    up = timed("lab up", lambda: bring_up(lab))
    memory = memory_mib(lab)
    again = timed("lab up again", lambda: bring_up(lab))
    down = timed("lab down", lambda: teardown.down(lab, warn=print))
    one_by_one = timed("the same, one after the other", lambda: run_in_turn(lab))
    teardown.down(lab, warn=print)
    return [
        Goal(name=f"lab up ({name}), to answers from both clusters", value=up, at_most=120),
        Goal(name="the same steps one after the other", value=one_by_one, at_most=None),
        Goal(name="ratio of the two", value=up / one_by_one, at_most=0.5, unit=""),
        Goal(name="lab up again", value=again, at_most=5),
        Goal(name="lab down", value=down, at_most=10),
        Goal(name="memory of both clusters", value=memory, at_most=3072, unit="MiB"),
    ]


def further_figures(state: Path, stack: str, most: int) -> list[Goal]:
    """Measure `lab up` with two clusters and with each number up to `most`, and what a further one costs on average."""
    up, memory = dict[int, float](), dict[int, float]()
    for count in range(TWO, most + 1):
        lab = _lab(state, stack, clusters=count)
        up[count] = timed(f"lab up with {count} clusters", lambda lab=lab: bring_up(lab))  # type: ignore[misc]
        memory[count] = memory_mib(lab)
        teardown.down(lab, warn=print)
    counts = [
        figure
        for count in range(TWO, most + 1)
        for figure in (
            Goal(name=f"lab up with {count} clusters", value=up[count], at_most=None),
            Goal(name=f"memory of {count} clusters", value=memory[count], at_most=None, unit="MiB"),
        )
    ]
    return [*counts, *each_further(up, memory)]


def each_further(up: Mapping[int, float], memory: Mapping[int, float]) -> list[Goal]:
    """Return what a further cluster costs on average: seconds of `lab up`, and memory in MiB."""
    most = max(up)
    return [
        Goal(name=f"each further cluster, of {most}", value=(up[most] - up[TWO]) / (most - TWO), at_most=15),
        Goal(
            name=f"memory of each further cluster, of {most}",
            value=(memory[most] - memory[TWO]) / (most - TWO),
            at_most=1024,
            unit="MiB",
        ),
    ]


def run(steps: Sequence[Step]) -> None:
    """Run a plan as `lab up` does."""
    with showing(steps, Console(stderr=True)) as sink:
        runner.run(steps, sink=sink)


def bring_up(lab: Lab) -> None:
    """Run the plan of `lab up` on a prepared machine."""
    stacks.remember(lab, stacks.current(lab))
    run(plan.up(lab))


def run_in_turn(lab: Lab) -> None:
    """Run the plan's steps one at a time, on nodes from the plain node image."""
    plain = _lab(lab.paths.state.parent, lab.spec.stack, node_image="node-base")
    stacks.remember(plain, stacks.current(plain))
    # The engine has deleted its copies of images that the usual node image has inside.
    run(artifacts.steps(plain, stacks.current(plain).images(plain)))
    steps: list[Step] = []
    for step in _in_order(plan.up(plain)):
        steps.append(replace(step, after=(*step.after, steps[-1].name) if steps else step.after))
    run(steps)


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """Return the steps in topological order."""
    named = {step.name: step for step in steps}
    return [named[name] for name in TopologicalSorter({step.name: step.after for step in steps}).static_order()]


def memory_mib(lab: Lab) -> float:
    """Return the memory of all processes in the nodes, in MiB: resident set size without shared memory."""
    if sys.platform != "linux":
        raise SystemExit(_LINUX_ONLY)
    total = 0
    for cluster in lab.clusters.values():
        pid = int(subprocess.check_output(["docker", "inspect", "--format", "{{.State.Pid}}", cluster.node], text=True))
        node = psutil.Process(pid)
        for process in (node, *node.children(recursive=True)):
            try:
                info = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            total += info.rss - info.shared
    return total / _MIB


def timed(name: str, work: Callable[[], object]) -> float:
    """Run a function and return its duration in seconds."""
    console.rule(name)
    began = time.monotonic()
    work()
    return time.monotonic() - began


def write(figures: Sequence[Goal], folder: Path) -> None:
    """Print a table of the figures, and write them as JSON."""
    table = Table(title="East/West lab, measured")
    for column in ("figure", "measured", "at most", "met"):
        table.add_column(column)
    for figure in figures:
        limit = "" if figure.at_most is None else f"{figure.at_most:g} {figure.unit}"
        met = {None: "", True: "yes", False: "NO"}[figure.met]
        table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}", limit, met)
    console.print(table)
    folder.mkdir(parents=True, exist_ok=True)
    memory = psutil.virtual_memory().total // _MIB
    result = {
        "schema": "eastwest-lab/bench/v1",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": psutil.cpu_count(), "memory_mib": memory, "load_1m": psutil.getloadavg()[0]},
        "figures": [{**vars(figure), "met": figure.met} for figure in figures],
    }
    file = folder / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {file}")


def _lab(
    state: Path, stack: str, *, clusters: int = TWO, cache: Path | None = None, node_image: str | None = None
) -> Lab:
    first = list(PORTS.items())[:clusters]
    ports = "".join(f"[clusters.{name}]\ningress_port = {port}\n" for name, port in first)
    spec = config.parse(f'name = "{NAME}"\nstack = "{stack}"\n{ports}')
    paths = Paths(cache=cache or Paths.of(NAME).cache, state=state / NAME)
    return Lab(spec=spec, paths=paths, artifacts=ArtifactStore.of(spec, paths), node_image=node_image)


if __name__ == "__main__":
    raise SystemExit(main())
