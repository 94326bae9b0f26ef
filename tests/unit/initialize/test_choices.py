"""Choices: every way in gives the same value and the same texts; bad input names what is wrong and what is near."""

from __future__ import annotations

import pytest

from lab.base.errors import ConfigError, UsageError
from lab.initialize import choices
from lab.initialize.alternatives import check
from lab.initialize.choices import Choices, default, of, parse_query, parse_toml
from lab.initialize.options import CATEGORIES, OPTIONS

GIVEN = {
    "platform": "gke",
    "mesh": "linkerd",
    "ingress": "contour",
    "observability": "otel-collector,prometheus",
    "apps": "frontend,podinfo",
    "delivery": "flux",
    "as": "flux",
    "registry": "registry.example:5000/mirror",
    "source": "oci://registry.example/folder",
}


def chosen() -> Choices:
    return of(GIVEN, source="a test")


def test_every_way_in_gives_the_same_value() -> None:
    same = chosen()
    assert parse_query(same.query()) == same
    assert parse_query(f"https://lab.example/initialize?{same.query()}") == same
    assert parse_toml(same.toml()) == same
    words = same.flags()
    assert of(dict(zip([w.removeprefix("--") for w in words[::2]], words[1::2], strict=True)), source="x") == same


def test_the_texts_are_the_same_whatever_the_order_of_words() -> None:
    other = of({**GIVEN, "observability": ["prometheus", "otel-collector", "prometheus"]}, source="x")
    assert other.query() == chosen().query()
    assert other.toml() == chosen().toml()
    assert "observability=prometheus,otel-collector" in chosen().query()


def test_nothing_chosen_is_possible() -> None:
    assert check(default()) == default()
    assert default().clusters == ("east", "west")
    assert of({"clusters": "single"}, source="x").clusters == ("east",)


BAD_REGISTRIES = (
    "../../etc",
    "a.b/..",
    "a.b/../c",
    "..",
    ".",
    "-a",
    "a..b",
    "a.b//c",
    "a.b/",
    "a.b/c/",
    "/a",
    "a:b",
    "a:",
)
BAD_SOURCES = (
    "https://../..",
    "https://a.b/../c",
    "https://a.b/..",
    "https://",
    "https:///a",
    "https://u:secret@a.b/c",
)


@pytest.mark.parametrize(
    "given",
    [
        *({"registry": text} for text in ("localhost:5000", "R.example/a/b_c/d-e.f", "10.0.0.1:5000/m", "mirror")),
        *(
            {"source": f"{text}"}
            for text in ("ssh://git@git.example:22/a/b.git", "http://git:3000/x", "oci://r.io/a:1")
        ),
        {"source": "ssh://git@git.example:org/..x/.git/~me/"},
        {"apps": "none,none"},
    ],
)
def test_registries_and_repositories_are_possible(given: dict[str, object]) -> None:
    assert parse_query(of(given, source="x").query()) == of(given, source="x")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mash": "istio"}, "unknown category; did you mean mesh"),
        ({"mesh": "linkered"}, "unknown choice 'linkered'; did you mean linkerd"),
        ({"mesh": "istio,linkerd"}, "needs exactly one of: none, istio, linkerd"),
        ({"mesh": ""}, "needs exactly one of"),
        ({"mesh": "x"}, "unknown choice 'x'; it has: none, istio, linkerd"),
        ({"mesh": 3}, "must be text in quotation marks"),
        ({"apps": ["podinfo", True]}, "must be text in quotation marks"),
        ({"mesh": {"a": "b"}}, "must be text in quotation marks"),
        ({"ingress": "ingress-nginx"}, "retired it in March 2026. Use envoy-gateway or contour instead"),
        ({"serverless": "openfaas"}, "not open source any more. Use keda or knative instead"),
        ({"as": "helm"}, "unknown form 'helm'; did you mean helmfile"),
        ({"registry": "https://x"}, "is not a registry"),
        ({"source": "x; rm -rf"}, "is not a repository"),
        ({"observability": "none,prometheus"}, "choose either none or prometheus"),
        ({"apps": ["podinfo", "none"]}, "choose either none or podinfo"),
        *(({"registry": text}, "is not a registry") for text in BAD_REGISTRIES),
        *(({"source": text}, "is not a repository") for text in BAD_SOURCES),
        ({"registry": f"a/{'b' * 254}"}, "has 256 characters; at most 255 are possible"),
        ({"source": f"https://{'b' * 500}"}, "has 508 characters; at most 500 are possible"),
    ],
)
def test_bad_choices_are_named(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        of(given, source="the command line")
    assert words in str(caught.value)
    assert caught.value.next


def test_all_problems_of_a_file_are_named_with_their_lines() -> None:
    text = 'format = 1\n[choices]\nmesh = "istoi"\nplatform = "moon"\nthing = "x"\n'
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, source="initializer.toml")
    assert [(p.key, p.line) for p in caught.value.problems] == [("mesh", 3), ("platform", 4), ("thing", 5)]


@pytest.mark.parametrize(
    "text",
    [
        "mesh = ",
        "choices = 3",
        "[[choices]]",
        'format = 1\n[choices]\nmesh = ["a"',
        f"format = {'9' * 5000}",
        f"[choices]\nmesh = 0x{'f' * 5000}",
        f"a = {'[' * 5000}",
        'mesh = "istio"\n[choices]\nmesh = "linkerd"',
    ],
)
def test_a_file_that_is_no_toml_of_choices_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_toml(text)


def test_a_newer_format_is_refused() -> None:
    newer = (
        (parse_toml, "format = 2\n"),
        (parse_toml, f"format = 0x{'f' * 5000}"),
        (parse_query, "format=2&mesh=istio"),
        (parse_query, f"format={'9' * 1500}"),
    )
    for parse, text in newer:
        with pytest.raises(UsageError, match="reads format 1"):
            parse(text)
    for text in ('format = "x"', "format = true", "format = 1.5", "format = -1", f"format = -{'9' * 30}"):
        with pytest.raises(UsageError, match="the format is unknown"):
            parse_toml(text)


def test_an_overlong_url_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 2000 are read"):
        parse_query(f"https://lab.example/initialize?mesh={'a' * 3000}")


def test_a_damaged_url_is_refused() -> None:
    for query in ("mesh", "a=1&" * 60 + "b=2"):
        with pytest.raises(UsageError, match="is not valid"):
            parse_query(query)


def test_a_url_is_read_with_percent_encoding_and_a_fragment() -> None:
    usual = parse_query("apps=podinfo,frontend&registry=r.example:5000/a")
    assert parse_query("http://[x/?apps=podinfo%2cfrontend&registry=r.example%3A5000%2Fa#files") == usual
    assert parse_query("apps=podinfo&apps=frontend&registry=r.example:5000/a") == usual
    assert parse_query("http://x.example/?") == default()


@pytest.mark.parametrize("query", ["mesh=istio&mesh=istio", "format=1&format=1", "as=flux&as=flux"])
def test_what_can_be_chosen_once_is_refused_twice(query: str) -> None:
    with pytest.raises(UsageError, match="twice") as caught:
        parse_query(query)
    assert caught.value.next == "remove one of them"


def test_a_message_has_no_characters_that_change_a_terminal() -> None:
    for query in ("%1b[31m=x", "mesh=%1b[31m", f"{'a' * 1500}=x", "registry=%07"):
        with pytest.raises(UsageError) as caught:
            parse_query(query)
        assert all(line.isprintable() for line in str(caught.value).splitlines())
        assert len(str(caught.value)) < 400


def test_the_longest_url_of_choices_can_be_read() -> None:
    every = {one.id: tuple(o.id for o in one.options if o.selectable) for one in CATEGORIES if one.many}
    longest = default().with_(every)
    assert len(longest.query()) < choices.MOST_QUERY / 2
    texts = {"as": "helmfile", "registry": f"a/{'b' * 253}", "source": f"https://a@{'b' * 490}"}
    longest = of(texts, source="x", base=longest)
    assert parse_query(longest.query()) == longest
    typed = "&".join(f"{name}={'%2C'.join(ids)}" for name, ids in every.items())
    assert parse_query(typed).query() == default().with_(every).query()


def test_an_impossible_combination_has_its_reason_and_two_alternatives() -> None:
    with pytest.raises(UsageError) as caught:
        check(of({"mesh": "none", "ingress": "istio-gateway"}, source="x"), where="the URL")
    assert caught.value.what.splitlines()[1:] == [
        "  Istio's control plane runs this Gateway, and the mesh is not Istio.",
        "  either --mesh istio",
        "  or     --ingress envoy-gateway",
    ]
    assert (caught.value.where, caught.value.exit_code) == ("the URL", 2)


def test_the_alternatives_of_several_reasons_resolve_all_of_them() -> None:
    wrong = of({"serverless": "keda", "as": "argocd"}, source="x")
    with pytest.raises(UsageError) as caught:
        check(wrong)
    reasons = [line for line in caught.value.what.splitlines() if line.endswith(".")]
    assert len(reasons) == 3
    ways = [line.split()[1:] for line in caught.value.what.splitlines() if line.startswith(("  either", "  or"))]
    assert len(ways) == 2
    for words in ways:
        flags = dict(zip([word.removeprefix("--") for word in words[::2]], words[1::2], strict=True))
        check(of(flags, source="x", base=wrong))


def test_a_form_needs_its_controller() -> None:
    with pytest.raises(UsageError, match="The form argocd writes objects of Argo CD, which is not chosen"):
        check(of({"as": "argocd"}, source="x"))
    with pytest.raises(UsageError, match=r"from a Git repository.\n  either --source ''\n"):
        check(of({"as": "argocd", "delivery": "argocd", "source": "oci://a.example/b"}, source="x"))


def test_ids_are_unique() -> None:
    ids = [option.id for one in CATEGORIES for option in one.options if option.id != "none"]
    assert len(ids) == len({*ids}) == len(OPTIONS)


def test_each_option_says_what_it_is() -> None:
    for option in OPTIONS.values():
        assert option.says.endswith(".")
        assert bool(option.why) == bool(option.instead) == (not option.selectable)
        assert {*option.instead} <= {*OPTIONS}
        if option.version:
            assert option.license or option.upkeep.value == "retired"
