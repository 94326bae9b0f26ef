"""Reports of runs: report.json (the source), junit.xml and report.html (made from it), lists and comparisons."""

from lab.report.codec import from_json, to_json
from lab.report.diff import Difference, compare
from lab.report.folder import RepeatFolder, RunFolder, find, listing, load

__all__ = ["Difference", "RepeatFolder", "RunFolder", "compare", "find", "from_json", "listing", "load", "to_json"]
