"""The project's commands: `nox -l` lists them, `nox` runs lint, unit tests and the tests on real clusters."""

import os
import shutil
from pathlib import Path

import nox

_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_E2E = (
    "commands",
    "answers",
    "status",
    "ownership",
    "scenarios",
    "walkthrough",
    "stage",
    "accidents",
    "accidents_linkerd",
)
_LINKS = ("network", "gateways", "modes", "scenarios", "walkthrough")
_OF_LINKS = (
    "modes or distance or third_cluster or (walkthrough and disaster_recovery) "
    "or (switched_off and (disaster_recovery or dev_loop))"
)
"""Tests of scenarios that take minutes each: they run in the session links, not in e2e."""
_CLUSTERS = ("six_clusters",)
_EXISTING = ("existing",)
_INITIALIZER = ("initializer",)
_OTHER_MACHINES = ("any_machine",)
_ENGINES = ("engines",)
_PARALLEL = ("--numprocesses", "auto", "--dist", "loadfile")
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

nox.options.sessions = ["lint", "tests", "e2e"]
nox.options.reuse_existing_virtualenvs = True
nox.options.download_python = "never"


def _unit(session: nox.Session) -> None:
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", "tests/unit", *_PARALLEL, *session.posargs)


def _lab(session: nox.Session, *args: str) -> None:
    session.install("-e", ".", silent=True)
    session.run("lab", *args, *session.posargs)


def _chromium(session: nox.Session) -> bool:
    """Return whether there is a Chromium; install it if this is Debian or Ubuntu, and the user is root."""
    if not any(map(shutil.which, _CHROMIUM)) and os.geteuid() == 0 and Path("/etc/debian_version").exists():
        for words in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
            session.run("apt-get", *words, external=True, silent=True, success_codes=[0, 100])  # 100: it has no network
    return any(map(shutil.which, _CHROMIUM))


@nox.session(name="lab-up")
def lab_up(session: nox.Session) -> None:
    """Create or repair the lab with `lab up`; arguments after `--` are passed on."""
    _lab(session, "up")


@nox.session(name="lab-down")
def lab_down(session: nox.Session) -> None:
    """Delete the lab with `lab down`; built artifacts stay."""
    _lab(session, "down")


@nox.session(name="lab-status")
def lab_status(session: nox.Session) -> None:
    """Check the lab with `lab status`."""
    _lab(session, "status")


@nox.session
def scenarios(session: nox.Session) -> None:
    """Run `lab up`, then every scenario; writes JUnit and an HTML report into runs/."""
    session.install("-e", ".[test]", silent=True)
    session.run("lab", "up")
    session.run("pytest", "scenarios", "--require-lab", *session.posargs)


@nox.session
def sabotage(session: nox.Session) -> None:
    """Run every scenario with each mechanism switched off; the check of that mechanism must fail."""
    session.install("-e", ".[test]", silent=True)
    session.run("lab", "up")
    session.run("pytest", "scenarios", "--require-lab", "--sabotage", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check with ruff and mypy --strict, also with the modules and attributes that Python has on macOS."""
    session.install("-e", ".[test,lint]", silent=True)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("mypy", "--platform", "darwin")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the unit tests, without clusters and without a container engine."""
    _unit(session)


@nox.session
def browser(session: nox.Session) -> None:
    """Run the page and the stage in this machine's Chromium, without clusters; root on Debian installs it."""
    if not _chromium(session):
        session.skip("no Chromium: install it, on Debian with `apt-get install chromium`")
    session.install("-e", ".[test,browser]", silent=True)
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(python=_PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the unit tests on each supported Python; skips those that this machine lacks, except in CI."""
    _unit(session)


@nox.session
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel into dist/, and run `lab` from each, as pip, uv and pipx install it."""
    session.install("build", "pipx", "pytest", "twine", "uv", silent=True)
    for old in Path("dist").glob("eastwest_lab-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", "dist", silent=True)
    session.run("twine", "check", "--strict", *map(str, Path("dist").glob("eastwest_lab-*")))
    session.run("pytest", "tests/package", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Run the end-to-end tests on two real clusters, which they create and delete, then the contract tests.

    They need a container engine; on a new machine, `lab up` installs it. Those of the stage need Chromium: root on
    Debian installs it, else they are skipped.
    """
    _chromium(session)
    session.install("-e", ".[test,browser]", silent=True)
    files = (f"tests/e2e/test_{name}.py" for name in _E2E)
    session.run("pytest", *files, "-k", f"not ({_OF_LINKS})", "--require-lab", *session.posargs)
    if not session.posargs:
        session.run("pytest", "tests/contract", *_PARALLEL)


@nox.session
def links(session: nox.Session) -> None:
    """Test distances, partitions, two gateways, modes, a third cluster, and the longest scenarios; 40 minutes."""
    session.install("-e", ".[test]", silent=True)
    files = (f"tests/e2e/test_{name}.py" for name in _LINKS)
    session.run("pytest", *files, "-k", f"network or gateways or {_OF_LINKS}", "--require-lab", *session.posargs)


@nox.session
def clusters(session: nox.Session) -> None:
    """Test six real clusters: all answer all, scenarios run on them, a seventh joins and leaves; it needs 9 GiB."""
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", *(f"tests/e2e/test_{name}.py" for name in _CLUSTERS), "--require-lab", *session.posargs)


@nox.session
def existing(session: nox.Session) -> None:
    """Test a lab on two clusters that it did not create, with load balancers of their own, one behind a NAT."""
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", *(f"tests/e2e/test_{name}.py" for name in _EXISTING), "--require-lab", *session.posargs)


@nox.session
def initializer(session: nox.Session) -> None:
    """Install what `lab initialize` writes: all pairs of choices, folders on two fresh clusters, two full profiles.

    The pairs take 7 minutes (`-- -k pairs`). The profiles take longer: the first time, their images alone are built for
    a quarter of an hour. It needs what the session e2e needs; one test logs in with Chromium.
    """
    _chromium(session)
    session.install("-e", ".[test,browser]", silent=True)
    session.run("pytest", *(f"tests/e2e/test_{name}.py" for name in _INITIALIZER), "--require-lab", *session.posargs)


@nox.session
def machines(session: nox.Session) -> None:
    """Run the lab as other machines do: users without root and a compiler, registries, no network; 16 minutes."""
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", *(f"tests/e2e/test_{name}.py" for name in _OTHER_MACHINES), "--require-lab", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Run the lab on newer Docker engines, from Debian's packages in folders of their own; needs root on Debian."""
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", *(f"tests/e2e/test_{name}.py" for name in _ENGINES), "--require-lab", *session.posargs)


@nox.session
def walkthrough(session: nox.Session) -> None:
    """Write the walkthrough pages from the scenarios' steps; `-- --from RUN` takes the output of that run."""
    session.install("-e", ".", silent=True)
    session.run("python", "-m", "lab.report.walkthrough", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure `lab up`, a second `lab up`, `lab down` and memory, and compare with the same steps in sequence."""
    session.install("-e", ".[test]", silent=True)
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run a lab under load with a random fault each minute; `-- --minutes 60 --seed 7` repeats a run."""
    session.install("-e", ".[test]", silent=True)
    session.run("python", "-m", "soak", *session.posargs)
