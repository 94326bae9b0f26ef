"""`lab up --profile`: a lab with the choices of a profile. Its extras become components of the lab's stack."""

from __future__ import annotations

from lab.initialize.lab_profile.choose import NONE, chosen, recorded
from lab.initialize.lab_profile.profile import LabProfile

__all__ = ["NONE", "LabProfile", "chosen", "recorded"]
