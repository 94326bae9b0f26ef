"""The project's commands. `nox -l` lists them; `nox` alone checks everything on real clusters."""

import nox

_E2E = ("commands", "answers", "status", "ownership", "scenarios", "accidents", "accidents_linkerd")

nox.options.sessions = ["lint", "tests", "e2e"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True


def _lab(session: nox.Session, *args: str) -> None:
    session.install("-e", ".", silent=True)
    session.run("lab", *args, *session.posargs)


@nox.session(name="lab-up")
def lab_up(session: nox.Session) -> None:
    """Bring the whole lab up: `nox -s lab-up`. What stands behind -- goes to `lab up`."""
    _lab(session, "up")


@nox.session(name="lab-down")
def lab_down(session: nox.Session) -> None:
    """Remove all that the lab made on this machine, except built artifacts."""
    _lab(session, "down")


@nox.session(name="lab-status")
def lab_status(session: nox.Session) -> None:
    """Show clusters, gateways, links, mirrored services and URLs on one screen."""
    _lab(session, "status")


@nox.session
def scenarios(session: nox.Session) -> None:
    """Run every scenario on the lab, which is brought up first if it is not: JUnit and an HTML report in runs/."""
    session.install("-e", ".[test]", silent=True)
    session.run("lab", "up")
    session.run("pytest", "scenarios", "--require-lab", *session.posargs)


@nox.session
def sabotage(session: nox.Session) -> None:
    """Switch each mechanism off and see that the right check of each scenario fails."""
    session.install("-e", ".[test]", silent=True)
    session.run("lab", "up")
    session.run("pytest", "scenarios", "--require-lab", "--sabotage", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check with ruff and mypy --strict."""
    session.install("-e", ".[test,lint]", silent=True)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests: seconds, no clusters, no engine."""
    session.install("-e", ".[test]", silent=True)
    session.run("pytest", "tests/unit", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """End-to-end tests on two real clusters, which they bring up themselves and delete again.

    Then the contract tests: they want an engine, and on a new machine there is none before the lab was up.
    """
    session.install("-e", ".[test]", silent=True)
    files = [f"tests/e2e/test_{name}.py" for name in _E2E]
    session.run("pytest", *files, "--require-lab", *session.posargs)
    if not session.posargs:
        session.run("pytest", "tests/contract")


@nox.session
def walkthrough(session: nox.Session) -> None:
    """Write docs/walkthrough from the scenarios' steps; `-- --from RUN` takes the output of that run."""
    session.install("-e", ".", silent=True)
    session.run("python", "-m", "lab.report.walkthrough", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure bring-up, second run, teardown and memory against the same commands one after the other."""
    session.install("-e", ".[test]", silent=True)
    session.run("python", "-m", "bench", *session.posargs)
