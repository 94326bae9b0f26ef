"""Send HTTP requests to servers on this machine. No other module of the lab's core imports requests."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from lab.base.wait import TransientError


def get_json(url: str, *, params: Mapping[str, str | int] | None = None, timeout_s: float = 10) -> Any:
    """GET a URL and return its JSON.

    Raises:
        TransientError: no connection, a timeout, a status of 400 and above, or an answer that is not JSON.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy between this machine and its own ports
    try:
        with session.get(url, params=params, timeout=timeout_s) as answer:
            if answer.status_code >= 400:
                raise TransientError(f"{answer.status_code} {answer.reason}: {answer.text.strip()[:120]}")
            return answer.json()
    except requests.JSONDecodeError as error:
        raise TransientError("the answer is not JSON") from error
    except requests.RequestException as error:
        raise TransientError(f"no answer ({type(error).__name__})") from error


class Connection:
    """Requests to one server, over a connection that stays open; for one thread."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def json(self, method: str, url: str, *, body: object = None, timeout_s: float = 10) -> tuple[int, Any]:
        """Send a request with a JSON body, if there is one, and return the status and the answer's JSON.

        Raises:
            TransientError: no connection, a timeout, or an answer that is not JSON.
        """
        try:
            with self._session.request(method, url, json=body, timeout=timeout_s, allow_redirects=False) as answer:
                return answer.status_code, answer.json()
        except requests.JSONDecodeError as error:
            raise TransientError("the answer is not JSON") from error
        except requests.RequestException as error:
            raise TransientError(f"no answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def status(url: str, *, timeout_s: float = 3) -> int | None:
    """GET a URL and return the status; None without an answer."""
    session = requests.Session()
    session.trust_env = False
    try:
        with session.get(url, timeout=timeout_s, stream=True) as answer:
            return answer.status_code
    except requests.RequestException:
        return None
