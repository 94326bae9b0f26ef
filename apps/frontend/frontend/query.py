"""Query parameters, checked: a misspelt or impossible one is an error, never silently something else."""

from starlette.datastructures import QueryParams

from frontend.config import Settings, Upstream
from frontend.errors import ApiError
from frontend.numbers import Limits


class Query:
    """The query of one request.

    Args:
        params: as they came.
        allowed: the names that this endpoint knows.

    Raises:
        ApiError: 400 for an unknown or repeated parameter.
    """

    def __init__(self, params: QueryParams, *, allowed: tuple[str, ...]) -> None:
        self._params = params
        for name in params:
            if name not in allowed:
                raise _bad(f"unknown parameter {name!r}", name, f"known: {', '.join(allowed) or 'none'}")
            if len(params.getlist(name)) > 1:
                raise _bad(f"{name!r} is given {len(params.getlist(name))} times", name, "give it once")

    def upstream(self, settings: Settings) -> Upstream:
        """The upstream named by `upstream`, or the default one; an address instead of a name is refused."""
        name = self._params.get("upstream", settings.default_upstream)
        found = settings.upstream(name)
        if found is None:
            known = ", ".join(upstream.name for upstream in settings.upstreams)
            raise _bad(f"unknown upstream {name!r}", "upstream", f"known: {known}")
        return found

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return int(self._number(name, default, Limits(low=low, high=high, whole=True)))

    def optional_whole(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`, or None if it is not given."""
        return self.whole(name, low, low=low, high=high) if name in self._params else None

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return self._number(name, default, Limits(low=low, high=high))

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, of which the first is the default."""
        value = self._params.get(name, choices[0])
        if value not in choices:
            raise _bad(f"{name}={value!r} is not known", name, f"known: {', '.join(choices)}")
        return value

    def _number(self, name: str, default: float, limits: Limits) -> float:
        text = self._params.get(name)
        if text is None:
            return default
        value = limits.read(text)
        if value is None:
            raise _bad(f"{name}={text!r} is not {limits}", name, f"the default is {default:g}")
        return value


def _bad(what: str, name: str, next_step: str) -> ApiError:
    return ApiError(400, what=what, where=f"query parameter {name}", next_step=next_step)
