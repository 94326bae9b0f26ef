"""A report does not name the user, their home folder and their machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.base.privacy import Names, names_of

NAMES = Names(homes=("/home/ada",), users=("ada", "ada.lovelace"), hosts=("engine-1.example", "engine-1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/lab.toml", "~/lab.toml"),
        ("at /home/ada", "at ~"),
        ("/home/adam/x", "/home/[user]/x"),
        ("/Users/grace/.colima/default/docker.sock", "/Users/[user]/.colima/default/docker.sock"),
        ("unix:///home/ada/.docker/desktop/docker.sock", "unix://~/.docker/desktop/docker.sock"),
        ("ssh://grace@build.example", "ssh://[user]@build.example"),
        ("owner Ada", "owner [user]"),
        ("ada.lovelace's", "[user]'s"),
        ("Canada, adapter", "Canada, adapter"),
        ("on engine-1.example", "on [host]"),
        ("engine-1: x", "[host]: x"),
        (
            "belongs to the lab of grace@mainframe with the state folder /home/grace/s",
            "belongs to the lab of [user]@[host] with the state folder /home/[user]/s",
        ),
    ],
)
def test_names_are_left_out(text: str, expected: str) -> None:
    assert NAMES.remove_from(text) == expected


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8080/x", "kindest/node:v1.37.0@sha256:abc", "/var/lib/docker", "172.30.0.0/24", "run as root"],
)
def test_other_text_stays(text: str) -> None:
    names = names_of({}, user="root", hostname="localhost", home=Path("/srv/admin"))
    assert NAMES.remove_from(text) == text
    assert names.remove_from(text) == text


def test_the_names_of_the_person_behind_sudo_are_known() -> None:
    environ = {"SUDO_USER": "ada", "HOME": "/home/ada"}
    names = names_of(environ, user="root", hostname="engine-1.example", home=Path("/srv/admin"))
    assert names.remove_from("ada on engine-1 in /home/ada and /srv/admin/x") == "[user] on [host] in ~ and ~/x"
