"""Numbers from text, within limits."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The numbers that are taken: from `low` to `high`, both included, whole ones only if `whole`."""

    low: float
    high: float
    whole: bool = False

    def read(self, text: str) -> float | None:
        """The number in `text`, or None if it is none or out of these limits."""
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            return None
        return value if self.low <= value <= self.high else None  # NaN is in no range

    def __str__(self) -> str:
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"
