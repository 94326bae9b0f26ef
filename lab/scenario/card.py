"""The card number of the isolation scenario: a number of its own for each lab, that no card has."""

from __future__ import annotations

import hashlib

_PREFIX = "400000"
"""The first digits of the number."""
_LENGTH = 16


def number(lab_id: str) -> str:
    """Return a lab's card number: 16 digits with a check digit (ISO/IEC 7812-1, Luhn)."""
    digest = int(hashlib.sha256(lab_id.encode()).hexdigest(), 16)
    digits = _PREFIX + str(digest)[-(_LENGTH - len(_PREFIX) - 1) :]
    return digits + _check_digit(digits)


def _check_digit(digits: str) -> str:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
