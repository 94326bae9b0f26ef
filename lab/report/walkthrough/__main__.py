"""`nox -s walkthrough`: write the walkthrough pages, or show where they differ from the steps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lab.base.errors import LabError, UsageError
from lab.base.paths import PROJECT
from lab.report.folder import Kind, find, load
from lab.report.session import runs_folder
from lab.report.walkthrough.pages import FOLDERS, Walkthrough


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` compare them with the steps; return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s walkthrough --", description="Write the walkthrough pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the pages differ")
    parser.add_argument(
        "--from",
        dest="runs",
        metavar="RUN",
        action="append",
        default=[],
        help="take this run's output, for its stack; can be repeated; default: keep the pages' own",
    )
    options = parser.parse_args(arguments)
    try:
        return _main(check=options.check, runs=options.runs)
    except LabError as error:
        print(f"error: {error.what}\nnext:  {error.next}", file=sys.stderr)
        return error.exit_code


def _main(*, check: bool, runs: Sequence[str]) -> int:
    if not (PROJECT / "docs").is_dir():
        raise UsageError("the walkthrough pages are in the project's repository", next="run this in a checkout")
    reports = [load(find(runs_folder(), run, of=Kind.RUN)) for run in runs]
    differences = ""
    for language, folder in FOLDERS.items():
        pages = Walkthrough.of(language)
        if check:
            differences += pages.drift(PROJECT / folder)
            continue
        for file in pages.write(PROJECT / folder, reports):
            print(f"✓ {file.relative_to(PROJECT)}")
    if differences:
        print(f"{differences}the pages differ from the steps\nnext:  nox -s walkthrough", file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
