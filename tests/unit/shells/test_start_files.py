"""What a shell reads when it starts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab.shells import start_files
from lab.shells.start_files import Settings

SETTINGS = Settings(cluster="west", color="#c2410c", variables={"LAB_CLUSTER": "west"}, tools="/tools")


@pytest.mark.parametrize(
    ("shell", "program"),
    [("/bin/bash", "/bin/bash"), ("/bin/dash", "/bin/dash"), ("/bin/tcsh", "sh"), ("/usr/bin/nu", "sh"), ("", "sh")],
)
def test_an_unknown_shell_is_replaced_by_sh(tmp_path: Path, shell: str, program: str) -> None:
    assert start_files.write(tmp_path, SETTINGS, environ={"SHELL": shell}).argv[0] == program


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "sh"])
def test_every_place_in_the_files_is_filled_and_only_the_user_can_read_them(tmp_path: Path, shell: str) -> None:
    start_files.write(tmp_path, SETTINGS, environ={"SHELL": f"/bin/{shell}"})
    files = list(tmp_path.iterdir())
    assert files
    for file in files:
        assert not re.search(r"@\w+@", file.read_text())
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "sh"])
def test_marks_have_their_id_and_a_shell_of_a_person_has_none(tmp_path: Path, shell: str) -> None:
    start_files.write(tmp_path, replace(SETTINGS, marks="0123abcd"), environ={"SHELL": f"/bin/{shell}"})
    assert "0123abcd" in "".join(file.read_text() for file in tmp_path.iterdir())
    start_files.write(tmp_path, SETTINGS, environ={"SHELL": f"/bin/{shell}"})
    texts = "".join(file.read_text() for file in tmp_path.iterdir())
    assert re.search(r"__lab_marks[= ]\n", texts)


def test_no_color_is_respected(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish", "sh"):
        start_files.write(tmp_path, SETTINGS, environ={"SHELL": shell, "NO_COLOR": "1"})
    texts = "".join(file.read_text() for file in tmp_path.iterdir())
    assert "130" not in texts
    assert "c2410c" not in texts


@pytest.mark.parametrize(
    ("color", "number"), [("#000000", 16), ("#ffffff", 231), ("#2563eb", 26), ("#c2410c", 130), ("#ff0000", 196)]
)
def test_colours_are_mapped_to_a_terminal_with_256(color: str, number: int) -> None:
    assert start_files.nearest_of_256(color) == number
