"""lab.lock: written at the first use, the same bytes for the same digests, required afterwards."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.pins import CATALOG, Pins
from lab.artifacts.platforms import PLATFORMS
from lab.base import events
from lab.base.errors import ArtifactError

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
ARTIFACTS = parse(
    '[z]\ntitle="z"\nkind="image"\nversion="1"\nestimate_s=1\nupstream={ image = "registry.test/z:1" }\n'
    '[a]\ntitle="a"\nkind="image"\nversion="1"\nestimate_s=1\nupstream={ image = "registry.test/a:1" }\n'
    f'[p]\ntitle="p"\nkind="image"\nversion="1"\nestimate_s=1\nupstream={{ image = "registry.test/p:1@{ONE}" }}\n'
    '[f]\ntitle="f"\nkind="binaries"\nversion="1"\nestimate_s=1\n'
    'upstream={ url = "https://r.test/{version}/f-{platform}", as_file = "bin/f" }\n'
)


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(file=tmp_path / "lab.lock", guard=tmp_path / "held", platform=PLATFORMS[0])


def test_nothing_is_required_before_the_first_use(pins: Pins) -> None:
    assert pins.pin(ARTIFACTS["a"]) is None
    assert not pins.file.exists()


def test_the_file_is_sorted_and_the_same_whatever_came_first(pins: Pins, tmp_path: Path) -> None:
    other = Pins(file=tmp_path / "other.lock", guard=tmp_path / "held", platform=PLATFORMS[0])
    for name in ("z", "a"):
        pins.record(ARTIFACTS[name], ONE)
    for name in ("a", "z"):
        other.record(ARTIFACTS[name], ONE)
    text = pins.file.read_text()
    assert text == other.file.read_text()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "",
        "[digests]",
        f'"registry.test/a:1" = "{ONE}"',
        f'"registry.test/z:1" = "{ONE}"',
    ]


def test_what_is_recorded_is_required_by_the_next_command(pins: Pins) -> None:
    pins.record(ARTIFACTS["a"], ONE)
    again = Pins(file=pins.file, guard=pins.guard, platform=PLATFORMS[0]).pin(ARTIFACTS["a"])
    assert again is not None
    assert (again.digest, again.by) == (ONE, str(pins.file))


def test_a_recorded_digest_is_not_replaced(pins: Pins) -> None:
    pins.record(ARTIFACTS["a"], ONE)
    pins.record(ARTIFACTS["a"], OTHER)
    assert OTHER not in pins.file.read_text()


def test_a_digest_that_another_command_recorded_meanwhile_is_not_replaced(pins: Pins) -> None:
    assert pins.pin(ARTIFACTS["a"]) is None
    Pins(file=pins.file, guard=pins.guard, platform=PLATFORMS[0]).record(ARTIFACTS["a"], ONE)
    pins.record(ARTIFACTS["a"], OTHER)
    assert OTHER not in pins.file.read_text()
    found = pins.pin(ARTIFACTS["a"])
    assert found is not None
    assert found.digest == ONE


def test_what_the_catalogue_pins_is_not_recorded(pins: Pins) -> None:
    pins.record(ARTIFACTS["p"], ONE)
    assert not pins.file.exists()
    found = pins.pin(ARTIFACTS["p"])
    assert found is not None
    assert (found.digest, found.by) == (ONE, CATALOG)


def test_each_platform_has_its_own_digest(pins: Pins) -> None:
    pins.record(ARTIFACTS["f"], ONE)
    mac = Pins(file=pins.file, guard=pins.guard, platform=PLATFORMS[3])
    assert mac.pin(ARTIFACTS["f"]) is None
    mac.record(ARTIFACTS["f"], OTHER)
    assert f'"https://r.test/1/f-darwin-arm64" = "{OTHER}"' in pins.file.read_text()
    assert f'"https://r.test/1/f-linux-amd64" = "{ONE}"' in pins.file.read_text()


def test_two_commands_that_write_at_once_keep_both(pins: Pins) -> None:
    other = Pins(file=pins.file, guard=pins.guard, platform=PLATFORMS[0])
    assert other.pin(ARTIFACTS["a"]) is None  # has read the file before the first one writes it
    pins.record(ARTIFACTS["z"], ONE)
    other.record(ARTIFACTS["a"], OTHER)
    assert pins.file.read_text().count("registry.test") == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[digests", "lab.lock is damaged: "),
        ('digests = "x"', "digests is not a table"),
        ('[digests]\n"registry.test/a:1" = "sha256:12"', "registry.test/a:1 is not sha256:<64 hexadecimal digits>"),
        ('[digests]\n"registry.test/a:1" = 5', "registry.test/a:1 is not sha256:<64 hexadecimal digits>"),
        ("\x00", "lab.lock is damaged: "),
    ],
)
def test_a_damaged_file_is_an_error_and_never_no_file(pins: Pins, text: str, words: str) -> None:
    pins.file.write_text(text)
    with pytest.raises(ArtifactError) as raised:
        pins.pin(ARTIFACTS["a"])
    assert words in raised.value.what
    assert "git checkout" in (raised.value.next or "")


def test_a_folder_that_cannot_be_written_gets_no_file_and_the_artifact_is_still_used(
    pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("lab.artifacts.pins.write_atomic", refuse)
    said: list[str] = []
    with events.reporting(lambda text, _: said.append(text)):
        pins.record(ARTIFACTS["a"], ONE)
    assert not pins.file.exists()
    assert f"(Permission denied); the digest of registry.test/a:1 is {ONE}" in said[-1]
