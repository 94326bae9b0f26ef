"""lab.toml: defaults, every problem at once, each with its line."""

import os
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from pydantic import BaseModel

from lab import config
from lab.base.distance import Distance
from lab.base.errors import ConfigError, UsageError
from lab.base.paths import PROJECT


def problems(text: str) -> dict[str, tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text)
    return {p.key: (p.line, p.text) for p in caught.value.problems}


def test_the_commented_example_is_the_default_lab() -> None:
    example = config.load(PROJECT / "lab.toml")
    assert example.model_dump() == config.parse("").model_dump()
    assert example.file == PROJECT / "lab.toml"
    assert config.load(None).file is None


def test_east_and_west_are_there_without_being_named() -> None:
    spec = config.parse("[clusters.west]\ningress_port = 9090")
    assert list(spec.clusters) == ["east", "west"]
    assert spec.clusters["west"].ingress_port == 9090


def test_a_third_cluster_gets_defaults_that_are_apart_from_the_others() -> None:
    spec = config.parse("[clusters.north]")
    north = spec.clusters["north"]
    assert (str(north.pod_cidr), north.ingress_port, north.trust_domain) == ("10.12.0.0/16", 8082, "north.example")


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    found = problems(
        'stak = "istio"\n'
        "[clusters.east]\n"
        "ingress_prot = 1\n"
        'pod_cidr = "10.0.0.0/33"\n'
        'podinfo = { color = "blue" }\n'
        "[clusters.north]\n"
        "ingress_port = 8080\n"
    )
    assert {key: line for key, (line, _) in found.items()} == {
        "stak": 1,
        "clusters.east.ingress_prot": 3,
        "clusters.east.pod_cidr": 4,
        "clusters.east.podinfo.color": 5,
        "clusters.north.ingress_port": 7,
    }


def test_a_misspelt_key_names_the_nearest_valid_one() -> None:
    found = problems('stak = "istio"\n[clusters.east]\ningress_prot = 1\n')
    assert found["stak"][1] == "unknown key; did you mean 'stack'?"
    assert found["clusters.east.ingress_prot"][1] == "unknown key; did you mean 'ingress_port'?"


@pytest.mark.parametrize("name", ["East West", "-east", "UPPER", "a" * 21, ""])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    assert "DNS label" in problems(f'name = "{name}"')["name"][1] or len(name) > 20


@pytest.mark.parametrize(
    ("text", "key", "names"),
    [
        ('[clusters.west]\npod_cidr = "10.10.128.0/17"', "clusters.west.pod_cidr", "clusters.east.pod_cidr"),
        ('[clusters.west]\nservice_cidr = "10.10.0.0/16"', "clusters.west.service_cidr", "clusters.east.pod_cidr"),
        ('[network]\nsubnet = "10.110.3.0/24"', "network.subnet", "clusters.east.service_cidr"),
        ("[clusters.west]\ningress_port = 8081", "clusters.west.ingress_port", "clusters.east.ingress_port"),
        ('[clusters.west]\ntrust_domain = "east.example"', "clusters.west.trust_domain", "clusters.east.trust_domain"),
        ("[stage]\nport = 8080", "stage.port", "clusters.west.ingress_port"),
    ],
)
def test_what_two_clusters_may_not_share_names_both(text: str, key: str, names: str) -> None:
    line, words = problems(text)[key]
    assert line == 2
    assert names in words


def test_an_export_from_a_cluster_that_is_not_there_is_refused() -> None:
    assert problems('[exports]\npodinfo = ["nowhere"]') == {
        "exports.podinfo": (2, "unknown cluster 'nowhere'; known: east, west")
    }


def test_a_version_without_its_digest_is_refused() -> None:
    assert "with a digest" in problems('[versions]\npodinfo = "podinfo:latest"')["versions.podinfo"][1]


def test_a_version_of_upstreams_needs_upstream_as_its_source() -> None:
    text = f'[artifacts]\nsource = "packages"\n[versions]\npodinfo = "a/podinfo:6.9.3@sha256:{"0" * 64}"'
    assert problems(text)["versions.podinfo"][0] == 4


def test_values_that_are_nested_too_deeply_are_a_problem_of_the_file() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        config.parse("x = " + "[" * 20_000)


def test_broken_toml_names_the_line() -> None:
    assert problems('name = "lab"\nstack = istio\n')["TOML"][0] == 2


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "lab.toml")


def test_a_missing_file_is_named_with_the_option_that_names_another(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(tmp_path / "nope.toml")
    assert caught.value.what == f"there is no file {tmp_path / 'nope.toml'}"
    assert "--config" in str(caught.value.next)


NUMBER = "must be a whole number without quotation marks, such as 8080, not "
SWITCH = "must be true or false, without quotation marks, not "
TEXT = 'must be text in quotation marks, such as "east", not '
TABLE = "must be a table, such as [clusters.north], not "
NETWORK = 'must be an IPv4 network in quotation marks, such as "172.30.0.0/24", not '


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        *(
            (key, value, NUMBER)
            for key in (
                "clusters.east.ingress_port",
                "clusters.east.podinfo.replicas",
                "resources.build_jobs",
                "resources.node_memory_mib",
                "stage.port",
            )
            for value in ("true", '"2081"', "2080.0")
        ),
        *((key, value, SWITCH) for key in ("viz", "network.flat") for value in ('"yes"', '"true"', "1")),
        *(
            (key, "5", TEXT)
            for key in ("name", "roles.east", "clusters.east.region", "clusters.east.podinfo.color", "artifacts.local")
        ),
        *((key, "5", TABLE) for key in ("network", "roles", "clusters.east", "clusters.east.podinfo", "resources")),
        *((key, "5", "must be a table, such as [exports], not ") for key in ("clusters", "exports", "versions")),
        ("exports.podinfo", '"east"', 'must be a list of names, such as ["east"], not '),
        ("artifacts.source", '"nowhere"', "must be one of 'auto', 'packages' or 'upstream', not "),
        ("clusters.east.ingress_port", "0", "must be at least 1, not "),
        ("clusters.east.ingress_port", "65536", "must be at most 65535, not "),
        ("artifacts.local", '""', "must be text that is not empty, not "),
        *(
            (key, value, NETWORK)
            for key in ("network.subnet", "clusters.east.pod_cidr", "clusters.east.service_cidr")
            for value in ("5", "true", "[1]", '"nonsense"', '"10.0.0.0/33"', '"10.9.0.0"')
        ),
    ],
)
def test_a_value_of_the_wrong_type_says_what_is_needed(key: str, value: str, words: str) -> None:
    table, _, name = key.rpartition(".")
    line, text = problems(f"[{table}]\n{name} = {value}" if table else f"\n{name} = {value}")[key]
    assert (line, text.startswith(words)) == (2, True), text


@pytest.mark.parametrize("character", [r"\u0000", r"\u001b", r"\n", r"\u009b"])
@pytest.mark.parametrize("key", ["stands_in_for", "podinfo.message"])
def test_a_control_character_does_not_reach_a_terminal_or_an_object(key: str, character: str) -> None:
    (line, words) = problems(f'[clusters.east]\n{key} = "a{character}[31m"')[f"clusters.east.{key}"]
    assert (line, "has a control character" in words) == (2, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[network]\nsubnet = "172.30.0.1/24"', "172.30.0.1/24 has host bits set; write 172.30.0.0/24"),
        ('[clusters.east]\nservice_cidr = "10.11.0.0/12"', "10.11.0.0/12 has host bits set; write 10.0.0.0/12"),
        (
            '[network]\nsubnet = "8.8.8.0/24"',
            "8.8.8.0/24 is not private; use a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
        ),
    ],
)
def test_an_unusable_network_names_a_right_one(text: str, words: str) -> None:
    assert list(problems(text).values()) == [(2, words)]


LINK = '[[links]]\nbetween = ["west", "east"]\n'


def test_a_link_is_a_distance_with_units() -> None:
    text = f'{LINK}delay = "0.08s"\njitter = "10ms"\nloss = "0.5%"\nrate = "20mbit"\n'
    (link,) = config.parse(text).links
    assert link.between == ("west", "east")
    assert link.distance == Distance(delay_ms=80, jitter_ms=10, loss_percent=0.5, rate_kbit=20_000)


@pytest.mark.parametrize(
    ("text", "key", "line", "words"),
    [
        (f"{LINK}delay = 80\n", "links.0.delay", 3, "must be text in quotation marks, such as '80ms', not 80"),
        (f'{LINK}delay = "80"\n', "links.0.delay", 3, "'80' is not a time with a unit, such as 80ms or 0.5s"),
        (f'{LINK}delay = "80ms"\nloss = "80%"\n', "links.0.loss", 4, "80% is out of range"),
        (f'{LINK}loss = "1%"\njitter = "5ms"\n', "links.0.jitter", 4, "varies a delay, and there is none"),
        (f'{LINK}delay = "5ms"\njitter = "10ms"\n', "links.0.jitter", 4, "longer than the delay of 5ms"),
        (f'{LINK}delai = "5ms"\n', "links.0.delai", 3, "unknown key; did you mean 'delay'?"),
        (LINK, "links.0.delay", 1, "nothing is set"),
        ('[[links]]\nbetween = ["west", "west"]\n', "links.0.between", 2, "both clusters are west"),
        ('[[links]]\nbetween = ["west"]\n', "links.0.between", 2, "must be a list of two clusters"),
        ('[links]\nbetween = ["west", "east"]\n', "links", 1, "must be tables, each with the line [[links]] above"),
        (
            f'{LINK}delay = "5ms"\n[[links]]\nbetween = ["west", "north"]\nrate = "1gbit"\n',
            "links.1.between",
            5,
            "unknown cluster 'north'; known: east, west",
        ),
        (
            f'{LINK}delay = "5ms"\n[[links]]\nbetween = ["east", "west"]\nrate = "1gbit"\n',
            "links.1.between",
            5,
            "is set above already",
        ),
    ],
)
def test_a_link_that_is_not_valid_is_named_with_its_line(text: str, key: str, line: int, words: str) -> None:
    found = problems(text)
    assert set(found) == {key}
    assert found[key][0] == line
    assert words in found[key][1]


def test_a_wrong_link_or_export_does_not_hide_other_problems() -> None:
    found = problems(
        f'{LINK}delay = "80"\n'
        '[[links]]\nbetween = ["west"]\n'
        '[[links]]\nbetween = ["west", "north"]\ndelay = "5ms"\n'
        "[stage]\nport = 8080\n"
        '[exports]\npodinfo = [1, "south"]\n'
    )
    assert {key: line for key, (line, _) in found.items()} == {
        "links.0.delay": 3,
        "links.1.between": 5,
        "links.2.between": 7,
        "stage.port": 10,
        "exports.podinfo.0": 12,
        "exports.podinfo": 12,
    }
    assert "unknown cluster 'north'" in found["links.2.between"][1]


def test_every_table_of_the_specification_is_exported() -> None:
    tables = {field.annotation.__name__ for field in config.LabSpec.model_fields.values() if is_table(field.annotation)}
    assert "HaSpec" in tables
    assert tables <= set(config.__all__)


def is_table(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "must be at least 1, not 0"),
        ("4", "must be at most 3, not 4"),
        ('"2"', "must be a whole number without quotation marks, such as 8080, not '2'"),
    ],
)
def test_the_number_of_gateways_is_from_1_to_3(value: str, words: str) -> None:
    assert config.parse("").ha.gateways == 1
    assert config.parse("[ha]\ngateways = 3").ha.gateways == 3
    assert problems(f"[ha]\ngateways = {value}") == {"ha.gateways": (2, words)}


def test_a_role_of_an_unknown_cluster_names_the_clusters() -> None:
    assert problems('[roles]\neast = "nope"\n[clusters.north]') == {
        "roles.east": (2, "unknown cluster 'nope'; known: east, west, north; or add [clusters.nope]")
    }


def test_the_nearest_file_above_is_found(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert config.find(deep) == tmp_path / "lab.toml"


def test_other_clusters_can_play_east_and_west() -> None:
    spec = config.parse('[roles]\neast = "gke"\nwest = "laptop"\n[clusters.gke]\nzone = "a"\n[clusters.laptop]')
    assert list(spec.clusters) == ["gke", "laptop"]
    assert (spec.clusters["gke"].ingress_port, spec.clusters["laptop"].ingress_port) == (8081, 8080)
    assert spec.exports == {"podinfo": ("gke",)}


def test_one_cluster_cannot_play_both_roles() -> None:
    with pytest.raises(ConfigError, match=r"roles\.west.*roles\.east already"):
        config.parse('[roles]\nwest = "east"')


def test_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text('name = "bom"\n', encoding="utf-8-sig")
    assert config.load(file).name == "bom"


def test_a_folder_or_a_dangling_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "lab.toml").mkdir()
    (tmp_path / "lab.toml").symlink_to(tmp_path / "nowhere")
    for folder in (tmp_path / "a", tmp_path):
        found = config.find(folder)
        assert found == folder / "lab.toml"
        with pytest.raises(UsageError):
            config.load(found)


def test_a_device_or_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("#" * (2 << 20))
    os.mkfifo(tmp_path / "pipe")
    for file, words in (
        (tmp_path / "lab.toml", "has 2048 KiB; a lab.toml has 1024 KiB at most"),
        (tmp_path / "pipe", "is a pipe or a device"),
        (Path("/dev/zero"), "is a pipe or a device"),
    ):
        with pytest.raises(UsageError, match=words) as raised:
            config.load(file)
        assert raised.value.where == str(file)


def test_a_folder_is_refused_with_the_file_in_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder, not a lab\.toml") as raised:
        config.load(tmp_path)
    assert raised.value.next == "name a file with --config"
    (tmp_path / "lab.toml").touch()
    with pytest.raises(UsageError) as raised:
        config.load(tmp_path)
    assert raised.value.next == f"--config {tmp_path / 'lab.toml'}"


def test_a_link_to_itself_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").symlink_to("lab.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "lab.toml")
