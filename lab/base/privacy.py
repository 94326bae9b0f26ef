"""Remove what names a person or their machine from text that leaves the machine: home folder, user and host name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ORDINARY = frozenset({"root", "admin", "user", "ubuntu", "debian", "docker", "lab", "localhost", "linux", "vm"})
"""Names that say nothing about a person, and that other text contains."""
_SHORTEST = 3
_HOMES = re.compile(r"(?P<top>/(?:home|Users))/(?!\[user\])[^/\s:'\"`,;)\]|]+")
"""Home folders of any user; /home and /Users are the usual places."""
_OWNER = re.compile(r"(?<=the lab of )\S+@\S+")
"""The owner of another lab, as `lab.host.ownership` names it."""
_URL_USER = re.compile(r"(?<=://)[^\s/:@]+(?=@)")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names to remove: home folders with what replaces them, users, hosts."""

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def remove_from(self, text: str) -> str:
        """Return the text without these names."""
        for home in sorted(self.homes, key=len, reverse=True):
            text = re.sub(rf"{re.escape(home.rstrip('/'))}(?=[/\s:'\"`,;)\]|]|$)", "~", text)
        text = _HOMES.sub(r"\g<top>/[user]", text)
        text = _URL_USER.sub("[user]", text)
        text = _OWNER.sub("[user]@[host]", text)
        for names, replacement in ((self.hosts, "[host]"), (self.users, "[user]")):
            for name in sorted(names, key=len, reverse=True):
                if len(name) >= _SHORTEST and name.lower() not in _ORDINARY:
                    text = re.sub(rf"(?<![\w]){re.escape(name)}(?![\w])", replacement, text, flags=re.IGNORECASE)
        return text


def names_of(environ: Mapping[str, str], *, user: str, hostname: str, home: Path) -> Names:
    """Return this user's and this machine's names.

    Args:
        environ: the environment; SUDO_USER names the person behind root.
        user: the user's name.
        hostname: this machine's host name, with or without a domain.
        home: the user's home folder.
    """
    users = dict.fromkeys(filter(None, (user, environ.get("USER"), environ.get("LOGNAME"), environ.get("SUDO_USER"))))
    homes = dict.fromkeys(str(folder) for folder in (home, environ.get("HOME")) if folder and str(folder) != "/")
    hosts = dict.fromkeys((hostname, hostname.partition(".")[0]))
    return Names(homes=tuple(homes), users=tuple(users), hosts=tuple(filter(None, hosts)))
