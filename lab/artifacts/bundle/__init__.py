"""Bundles: one file with everything that `lab up` needs on a machine without a network.

The file is a tar archive that `tar` reads, too: `manifest.json` (`manifest`), its sha256, then one gzip-compressed
member for each file of an artifact, and one for the archive of all images, as the engine saves it (`members`).
"""

from lab.artifacts.bundle.loading import LoadedReport, load
from lab.artifacts.bundle.members import BundleReader
from lab.artifacts.bundle.saving import SavedReport, save

__all__ = ["BundleReader", "LoadedReport", "SavedReport", "load", "save"]
