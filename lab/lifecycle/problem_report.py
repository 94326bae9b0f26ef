"""Write a report for a bug report: versions, system, engine, findings, artifacts, lab.toml, the last errors.

The report is one Markdown file without keys, tokens and passwords (`lab.base.redaction`), and without the names of the
user and the machine (`lab.base.privacy`). A part that cannot be read is replaced by the reason.
"""

from __future__ import annotations

import getpass
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lab import __version__
from lab.base.errors import LabError, UsageError
from lab.base.files import write_atomic
from lab.base.privacy import Names, names_of
from lab.base.redaction import redact
from lab.host.doctor import Finding
from lab.host.engine_report import EngineReport
from lab.host.machine import Machine
from lab.lab import Lab
from lab.lifecycle import artifacts
from lab.stacks.model import Stack

FILE_NAME = "lab-doctor-report.md"
_MARK = "<!-- written by `lab doctor --report` -->"
_LOG_LINES = 80
_ERROR_LINES = 40
_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CI", "WSLENV")


def check_target(file: Path) -> None:
    """Refuse a file that is not an earlier report, before anything is read.

    Raises:
        UsageError: the file exists and is not a report, or its folder does not exist.
    """
    if not file.parent.is_dir():
        raise UsageError("there is no such folder", where=str(file.parent), next=f"mkdir -p {file.parent}")
    if file.is_symlink() or (file.exists() and not _is_report(file)):
        raise UsageError(
            "exists and is not a report of `lab doctor`; it was not touched",
            where=str(file),
            next=f"lab doctor --report {_free_name(file)}",
        )


def _is_report(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.readline().strip() == _MARK
    except (OSError, UnicodeDecodeError):
        return False


def _free_name(file: Path) -> Path:
    names = (file.with_name(f"{file.stem}-{number}{file.suffix}") for number in range(2, 1000))
    return next((name for name in names if not name.exists()), file)


def write(
    file: Path,
    *,
    findings: Sequence[Finding],
    lab: Lab | None,
    stack: Stack | None,
    config: Path | None,
    problem: LabError | None = None,
    engine: EngineReport | None = None,
    names: Names | None = None,
) -> Path:
    """Write the report, readable by its owner only, and return its path.

    Args:
        file: where to write; see `check_target`.
        findings: the doctor's.
        lab: the lab; None if lab.toml is not valid.
        stack: the stack whose artifacts are listed.
        config: the lab.toml; None for the default lab.
        problem: why there is no lab.
        engine: reads the engine and this machine.
        names: the names to leave out; by default those of this user and this machine.

    Raises:
        UsageError: as `check_target`.
    """
    check_target(file)
    engine = engine or EngineReport()
    parts: list[tuple[str, Callable[[], str]]] = [
        ("Versions", lambda: _versions(engine)),
        ("System", lambda: _system(engine.machine)),
        ("Engine", lambda: _table(engine.facts(), "what", "value")),
        ("Findings", lambda: _findings(findings)),
        ("Artifacts", lambda: _artifacts(lab, stack, problem)),
        ("lab.toml", lambda: _config(config, problem)),
        ("Nodes", lambda: _nodes(engine)),
        ("Last errors", lambda: _errors(lab)),
    ]
    text = "".join(f"\n## {title}\n\n{_part(read)}\n" for title, read in parts)
    names = names or names_of(os.environ, user=getpass.getuser(), hostname=platform.node(), home=Path.home())
    text = names.remove_from(redact(text))
    written = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    write_atomic(file, f"{_MARK}\n# East/West lab: report of {written}\n{text}", mode=0o600)
    return file


def _part(read: Callable[[], str]) -> str:
    try:
        return read().rstrip() or "nothing"
    except Exception as error:  # a report with a hole is better than none
        reason = error.what if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        return f"could not be read: {reason}"


def _table(rows: Iterable[Sequence[object]], *titles: str) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", "<br>")


def _block(text: str, language: str = "text") -> str:
    return f"~~~~{language}\n{text.rstrip()}\n~~~~"


def _versions(engine: EngineReport) -> str:
    rows = [("lab", __version__), ("Python", sys.version.split()[0])]
    return f"{_table(rows, 'what', 'version')}\n\n`docker version`:\n\n{_block(engine.versions())}"


def _system(machine: Machine) -> str:
    release = machine.read("/etc/os-release")
    pretty = next((line.partition("=")[2].strip('"') for line in release.splitlines() if line[:7] == "PRETTY_"), "")
    environ = [(name, machine.environ[name]) for name in _VARIABLES if machine.environ.get(name)]
    rows = [
        ("system", f"{machine.system} {platform.release()}" + (" (WSL)" if machine.is_wsl else "")),
        ("distribution", pretty or platform.platform()),
        ("architecture", machine.architecture),
        ("processors", os.cpu_count()),
        ("user", "root" if machine.is_root else "ordinary"),
        *((name, "set" if "PROXY" in name else value) for name, value in environ),
    ]
    return _table(rows, "what", "value")


def _findings(findings: Sequence[Finding]) -> str:
    rows = [(f.verdict.value, f.name, f.observed, f.fix or "") for f in findings]
    return _table(rows, "verdict", "check", "observed", "fix")


def _artifacts(lab: Lab | None, stack: Stack | None, problem: LabError | None) -> str:
    if lab is None or stack is None:
        return f"not known: {problem.what if problem else 'there is no lab'}"
    listed = artifacts.listing(lab, stack.artifacts(lab))
    rows = [(item.name, item.version, item.source, item.key, item.state) for item in listed if item.wanted]
    return f"stack {stack.name}\n\n{_table(rows, 'artifact', 'version', 'source', 'key', 'state')}"


def _config(config: Path | None, problem: LabError | None) -> str:
    why = f"{problem}\n\n" if problem is not None else ""
    return f"{why}none: the default lab" if config is None else why + _block(config.read_text("utf-8"), "toml")


def _nodes(engine: EngineReport) -> str:
    rows = engine.nodes()
    return _table(rows, "node", "status", "exit code", "image") if rows else "none"


def _errors(lab: Lab | None) -> str:
    logs = sorted(lab.paths.logs.glob("*.log")) if lab is not None and lab.paths.logs.exists() else []
    if not logs:
        return "there is no log of a run"
    lines = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()
    failed = [line for line in lines if " failed " in line or "Error" in line][-_ERROR_LINES:]
    told = f"failures in {logs[-1].name}:\n\n{_block(chr(10).join(failed) or 'none')}"
    return f"{told}\n\nits last {min(_LOG_LINES, len(lines))} lines:\n\n{_block(chr(10).join(lines[-_LOG_LINES:]))}"
