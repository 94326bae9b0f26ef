"""What can go wrong, in the words that the reader gets.

FrontendError
├── ConfigError   the environment is unusable: every problem at once, the process ends with exit code 2
└── ApiError      a request can't be served: an HTTP status and what, where, next as JSON
"""

from collections.abc import Sequence


class FrontendError(Exception):
    """Base of every error that the frontend raises on purpose."""


class ConfigError(FrontendError):
    """The environment does not describe a frontend; `problems` has one line for each thing to fix."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class ApiError(FrontendError):
    """A request that gets an error instead of a result.

    Args:
        status: the HTTP status of the response.
        what: what is wrong, with the value that was given.
        where: the part of the request, or the upstream, that it is about.
        next_step: what the caller can do about it.
    """

    def __init__(self, status: int, *, what: str, where: str, next_step: str) -> None:
        self.status = status
        self.what = what
        self.where = where
        self.next_step = next_step
        super().__init__(what)

    def as_json(self) -> dict[str, object]:
        """The body of the response, schema `frontend/error/v1`."""
        return {
            "schema": "frontend/error/v1",
            "error": {"what": self.what, "where": self.where, "next": self.next_step},
        }
