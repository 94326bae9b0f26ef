"""A person chooses by mouse and by keyboard; the address has the choices; what is impossible says why."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.initialize.alternatives import check
from lab.initialize.archive import as_zip
from lab.initialize.choices import parse_query
from lab.initialize.render import render
from tests.browser.initialize.kit import InitializerPage
from tests.unit.stage.initializer.kit import SMALL, Arrivals, sources

Window = Callable[..., InitializerPage]
NONE = "mesh=none&ingress=none"


def test_a_choice_by_mouse_changes_files_address_and_command(window: Window) -> None:
    page = window(NONE)
    page.is_chosen("observability")
    page.choose("observability", "prometheus")
    page.choose("apps", "podinfo")
    page.is_chosen("apps", "podinfo")
    page.sees(
        ".command", "lab initialize my-clusters --mesh none --ingress none --observability prometheus --apps podinfo"
    )
    page.sees(".summary", "since the last choice")
    page.sees('[data-path="base/podinfo/4-objects/objects.yaml"]', "new")
    page.sees('[data-path="README.md"]', "changed")
    page.sees("#wires", "collects their metrics")
    assert parse_query(page.query) == parse_query(SMALL)
    page.choose("apps", "podinfo")
    page.is_chosen("apps")
    page.sees('[data-path="base/podinfo/4-objects/objects.yaml"]', "gone")
    page.page.locator('[data-path="base/podinfo/4-objects/objects.yaml"]').click()
    page.sees(".viewer del", "kind: ServiceAccount")


def test_choices_that_are_faster_than_the_server_all_count(window: Window) -> None:
    page = window(NONE)
    page.loaded()
    page.page.evaluate(
        "for (const id of ['platform-gke', 'apps-podinfo', 'observability-prometheus', 'clusters-single'])"
        " document.getElementById(id).click()"
    )
    page.is_chosen("platform", "gke")
    page.is_chosen("clusters", "single")
    page.sees(".command", "--platform gke --clusters single --mesh none --ingress none --observability prometheus")
    page.sees(".summary", "since the last choice")
    assert parse_query(page.query).ids >= {"gke", "single", "podinfo", "prometheus"}


def test_the_same_address_shows_the_same_choices(window: Window) -> None:
    page = window(f"{SMALL}&platform=gke&clusters=single&as=helmfile&registry=registry.example/mirror")
    page.loaded()
    other = window(page.query)
    for one in (page, other):
        one.is_chosen("platform", "gke")
        one.is_chosen("clusters", "single")
        one.is_chosen("observability", "prometheus")
        one.is_chosen("as", "helmfile")
        assert one.page.locator("#registry").input_value() == "registry.example/mirror"
    assert page.query == other.query
    page.page.reload()
    page.page.locator("body[data-ready]").wait_for()
    page.is_chosen("platform", "gke")


def test_choosing_by_keyboard_alone(window: Window) -> None:
    page = window(NONE)
    page.press("1")
    assert page.focused("e.id") == "platform-kind"
    page.press("ArrowDown")
    page.is_chosen("platform", "docker-desktop")
    page.press("7")
    assert page.focused("e.name") == "observability"
    page.press("Tab", "Space")
    page.is_chosen("observability", "prometheus")
    page.press("n")
    assert page.focused("e.name") == "delivery"
    page.press("b", "b")
    assert page.focused("e.name") == "authentication"
    assert page.focused("getComputedStyle(e).outlineStyle") == "solid"
    page.loaded()
    page.press("f")
    assert page.focused("e.dataset.path") == "README.md"
    page.press("Home", "ArrowDown")
    page.sees("#file-name", "README.md")
    page.press("End")
    last = page.focused("e.dataset.path")
    page.sees("#file-name", last)
    assert last.startswith("clusters/west/")
    page.press("ArrowLeft")
    folder = page.focused("e.dataset.path")
    assert last.startswith(folder)
    page.press("ArrowLeft")
    assert page.focused("e.getAttribute('aria-expanded')") == "false"
    page.has(f'[data-path="{last}"]', 0)
    page.press("ArrowRight")
    page.has(f'[data-path="{last}"]', 1)
    page.press("?")
    page.sees("dialog", "Download the folder")
    page.press("Escape")
    page.has("dialog", 0)


def test_the_tab_key_reaches_every_control(window: Window) -> None:
    page = window(NONE)
    page.loaded()
    wanted = page.page.evaluate(
        "[...document.querySelectorAll('.alternative, input[type=checkbox]:not(:disabled), input[type=text], "
        ".downloads a, .primary, .viewer, .command')].filter((e) => e.checkVisibility()).length"
    )
    reached = set()
    for _ in range(wanted + 60):
        page.press("Tab")
        reached.add(
            page.focused(
                "e.matches('.alternative, input[type=checkbox], input[type=text], .downloads a, .primary, "
                ".viewer, .command') ? [...document.querySelectorAll('*')].indexOf(e) : -1"
            )
        )
    assert len(reached - {-1}) == wanted


@pytest.mark.parametrize("by_key", [False, True], ids=["mouse", "keyboard"])
def test_an_impossible_option_is_disabled_with_alternatives_that_work(window: Window, by_key: bool) -> None:
    page = window(NONE)
    keda = page.option("serverless", "keda")
    assert page.input("serverless", "keda").is_disabled()
    assert "Browsers" not in keda.inner_text()
    assert "no application that KEDA could scale" in keda.locator(".why").inner_text()
    described = page.input("serverless", "keda").get_attribute("aria-describedby").split()
    assert any("KEDA could scale" in page.page.locator(f"#{one}").inner_text() for one in described)
    keda.locator("label").click(force=True)
    page.is_chosen("serverless")
    assert keda.locator(".alternative").count() == 2
    first = keda.locator(".alternative").first
    assert "KEDA and podinfo" in first.inner_text()
    if by_key:
        first.focus()
        page.press("Enter")
    else:
        first.click()
    page.is_chosen("serverless", "keda")
    page.is_chosen("apps", "podinfo")
    page.is_chosen("observability", "prometheus")
    assert check(parse_query(page.query)).ids >= {"keda", "podinfo", "prometheus"}
    assert page.input("apps", "podinfo").is_disabled()  # KEDA needs it now
    assert "Without podinfo" in page.option("apps", "podinfo").inner_text()
    page.option("apps", "podinfo").locator(".alternative").first.click()
    page.is_chosen("serverless")


def test_a_retired_option_says_why_and_offers_its_successor(window: Window) -> None:
    page = window(NONE)
    nginx = page.option("ingress", "ingress-nginx")
    assert "retired it in March 2026. Use Envoy Gateway or Contour." in nginx.inner_text()
    assert page.input("ingress", "ingress-nginx").is_disabled()
    nginx.locator(".alternative").nth(1).click()
    page.is_chosen("ingress", "contour")


def test_missing_yaml_is_announced(window: Window, arrivals: Arrivals) -> None:
    page = window(NONE)
    page.loaded()
    page.choose("mesh", "linkerd")
    page.is_chosen("mesh", "linkerd")
    page.sees(".summary", "Downloading")
    page.has(".downloads [href]", 0)
    assert arrivals.asked
    page.choose("mesh", "none")
    page.sees(".summary", "files")
    page.has(".downloads [href]", 3)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mesh=linkered", "did you mean linkerd"),
        ("ingress=ingress-nginx", "retired it in March 2026"),
        ("format=7", "the format is newer; this version of the lab reads format 1"),
        (f"registry={'a' * 2500}", "at most 2000 are read"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(window: Window, query: str, said: str) -> None:
    page = window(query)
    page.sees("#problems", said)
    page.sees("#problems", "The usual choices are shown instead")
    page.is_chosen("platform", "kind")
    asked = len(page.requested)
    while len(page.requested) < asked + 2:  # the page asks again for YAML that is missing; the words stay
        page.page.wait_for_event("request")
    page.sees("#problems", said)
    page.choose("platform", "gke")
    page.is_chosen("platform", "gke")
    page.page.locator("#problems").wait_for(state="hidden")
    assert "platform=gke" in page.query


def test_an_impossible_address_offers_two_ways_out(window: Window) -> None:
    page = window("mesh=none&ingress=istio-gateway")
    page.sees("#problems", "the mesh is not Istio")
    page.has("#problems .alternative", 2)
    page.has(".tree li", 0)
    page.page.locator("#problems .alternative").nth(1).click()
    page.is_chosen("ingress", "envoy-gateway")
    page.page.locator("#problems").wait_for(state="hidden")


def test_a_registry_is_typed_and_a_wrong_one_is_named_beside_the_field(window: Window) -> None:
    page = window(SMALL)
    field = page.page.locator("#registry")
    field.fill("https://registry.example")
    page.sees("#registry-problem", "is not a registry, as in registry.example:5000/prefix")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == "https://registry.example"
    page.is_chosen("apps", "podinfo")
    field.fill("registry.example:5000/mirror")
    page.sees(".command", "--registry registry.example:5000/mirror")
    assert field.get_attribute("aria-invalid") is None
    page.page.locator('[data-path="IMAGES.txt"]').click()
    page.sees(".viewer", "registry.example:5000/mirror")


def test_the_folder_is_taken_home(window: Window, tmp_path: Path) -> None:
    page = window(SMALL, permissions=["clipboard-read", "clipboard-write"])
    page.loaded()
    wanted = as_zip("my-clusters", render(parse_query(SMALL), sources(tmp_path)).files)
    with page.page.expect_download() as coming:
        page.press("d")
    file = Path(coming.value.path())
    assert (coming.value.suggested_filename, file.read_bytes() == wanted) == ("my-clusters.zip", True)
    with zipfile.ZipFile(io.BytesIO(wanted)) as archive:
        toml = archive.read("my-clusters/initializer.toml")
    with page.page.expect_download() as coming:
        page.page.locator("[data-download='initializer.toml']").click()
    assert Path(coming.value.path()).read_bytes() == toml
    page.press("c")
    page.sees(".said", "copied")
    copied = page.page.evaluate("navigator.clipboard.readText()")
    assert copied == page.page.locator(".command").inner_text() == parse_query(SMALL).command("my-clusters")


def test_a_browser_without_the_token_says_what_to_open(window: Window) -> None:
    page = window(None)
    page.open(SMALL, token=False)
    page.sees(".stop", "open the URL that `lab initialize page` printed")
    assert [error for error in page.errors if "401" not in error] == []
    page._errors.clear()


def test_a_choice_is_shown_at_once(window: Window) -> None:
    """One request for the choices and one for the file, whatever was chosen before."""
    page = window(SMALL)
    page.loaded()
    page.requested.clear()
    page.choose("platform", "gke")
    page.sees(".viewer ins", "gke")
    asked = [url.rpartition("/")[2] for url in page.requested]
    assert [name for name in asked if name != "icon.svg"] == ["preview", "file"]
