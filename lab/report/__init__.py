"""Reports of runs: report.json (the source), junit.xml and report.html (made from it), lists and comparisons."""

from lab.report.codec import from_json, to_json
from lab.report.diff import Difference, compare
from lab.report.folder import Kept, Kind, RepeatFolder, RunFolder, find, listing, load
from lab.report.overview import Overview, overview

__all__ = [
    "Difference",
    "Kept",
    "Kind",
    "Overview",
    "RepeatFolder",
    "RunFolder",
    "compare",
    "find",
    "from_json",
    "listing",
    "load",
    "overview",
    "to_json",
]
