"""One act of the talk, presented by mouse, by keyboard, and from the presenter's window; everything has its reason."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser.stage.played import PlayedStage
from tests.browser.stage.screens import Screen

Open = Callable[..., Screen]
ALL_GREEN = re.compile(r"\d of \d checks green|The check is green|The checks are green")
GO = ":is(.go, .control[data-command=go]):not([aria-disabled]):visible"


def run_first_step_of_third_act(screen: Screen) -> None:
    begin_third_act(screen)
    screen.press("Enter")
    screen.shows(".status[data-look=green]")
    screen.shows(GO)


def titles(stage: PlayedStage, scenario: str) -> list[str]:
    (found,) = [one for one in stage.recorded.real if one.name == scenario]
    return [step.title for step in found.steps]


def begin_third_act(screen: Screen) -> None:
    screen.is_at("West does not know East")
    screen.press("3")
    screen.is_at("Half and half")
    screen.shows(GO)


def test_an_act_is_presented_by_mouse(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    audience.click(".act >> nth=2")
    for title in titles(stage, "request_routing"):
        audience.is_at(title)
        audience.sees(GO, "Run")
        audience.click(GO)
        audience.sees(".status[data-look=green]", ALL_GREEN)
        audience.shows(".card .result[data-outcome=passed]")
        audience.sees(GO, re.compile("Next step|Sum up"))
        audience.click(GO)
    audience.is_at("Request routing")
    audience.sees(".narration", "Weights decide for each request")
    audience.sees(".tries", "lab split podinfo")
    audience.click(GO)
    audience.is_at("An open mesh")
    assert stage.presenter.position.begun == []


@pytest.mark.parametrize(("key", "back"), [("PageDown", "PageUp"), ("Enter", "ArrowLeft"), (" ", "ArrowLeft")])
def test_an_act_is_presented_by_one_key(stage: PlayedStage, screen: Open, key: str, back: str) -> None:
    audience = screen()
    begin_third_act(audience)
    for title in titles(stage, "request_routing"):
        audience.is_at(title)
        audience.shows(GO)
        audience.press(key)
        audience.shows(".status[data-look=green]")
        audience.shows(GO)
        audience.press(key)
    audience.is_at("Request routing")
    audience.shows(GO)
    audience.press(back)
    audience.is_at("The talk's SMI TrafficSplit")
    audience.hides(".status[data-look=green]")


@pytest.mark.parametrize("theatre", ["istio"], indirect=True)
def test_a_step_that_the_stack_cannot_do_is_shown_as_such(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    audience.sees(".lab", "Istio")
    stage.go_to("request_routing/all_west")
    audience.is_at("All back to West")
    audience.shows(GO)
    audience.press("Enter")
    audience.shows(".status[data-look=green]")
    audience.console_shows("west", "scenarios/request_routing/istio/split-100-0.yaml")
    stage.go_to("request_routing/traffic_split")
    audience.is_at("The talk's SMI TrafficSplit")
    audience.shows(GO)
    audience.press("Enter")
    audience.sees(".status[data-look=done]", "Not checked here")
    audience.sees(".result[data-outcome=skipped]", "this lab cannot split requests by an SMI TrafficSplit")
    audience.sees(GO, "Sum up")


def test_an_act_is_presented_from_the_presenters_window(stage: PlayedStage, screen: Open) -> None:
    presenter = screen("presenter")
    audience = screen(within=presenter.page.context)
    begin_third_act(presenter)
    for title in titles(stage, "request_routing"):
        for one in (presenter, audience):
            one.is_at(title)
        presenter.sees(GO, "Run")
        presenter.click(GO)
        presenter.shows("#results .result[data-outcome=passed]")
        presenter.sees("#results .expected", "Expected:")
        audience.shows(".status[data-look=green]")
        presenter.sees(GO, re.compile("Next step|Sum up"))
        presenter.click(GO)
    for one in (presenter, audience):
        one.sees(".narration", "Weights decide for each request")


def test_what_a_step_types_is_seen_in_the_console_of_its_cluster(screen: Open) -> None:
    audience = screen()
    begin_third_act(audience)
    audience.sees(".card .script", "split-50-50.yaml")
    audience.press("Enter")
    audience.console_shows("west", "kubectl --context=west apply -f scenarios/request_routing/linkerd/split-50-50.yaml")
    audience.console_shows("west", "httproute.gateway.networking.k8s.io/podinfo-split-9898 created")
    assert "kubectl" not in audience.console_text("east")


def test_two_presses_at_once_run_one_step(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    begin_third_act(audience)
    audience.page.evaluate(
        "for (let press = 0; press < 2; press++)"
        " document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))"
    )
    audience.shows(".status[data-look=green]")
    audience.is_at("Half and half")
    assert stage.turn == 2  # the jump, and one run


def test_a_key_that_is_held_down_is_one_press(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    begin_third_act(audience)
    with stage.recorded.held():
        for _ in range(5):
            audience.page.keyboard.down("Enter")
        audience.page.keyboard.up("Enter")
        audience.shows(".status[data-look=running]")
    audience.shows(".status[data-look=green]")
    assert stage.turn == 2


def test_what_is_not_possible_says_why(stage: PlayedStage, screen: Open) -> None:
    presenter = screen("presenter")
    undo = presenter.page.locator("#controls [data-command=undo]")
    presenter.sees("#controls [data-command=undo]", "There is nothing to undo")
    assert undo.get_attribute("aria-disabled") == "true"
    assert "nothing to undo" in undo.get_attribute("title")
    undo.click(force=True)  # Playwright waits until a button is enabled; a person does not
    presenter.sees(".said", "There is nothing to undo; run the step first")
    assert stage.turn == 0
    with stage.recorded.held():
        presenter.click(GO)
        presenter.sees("#controls [data-command=go][aria-disabled]", "A step runs")
        presenter.sees("#controls [data-command=skip]", "A step runs")
        presenter.shows("#controls [data-command=interrupt]:not([aria-disabled])")
    presenter.shows("#results .result[data-outcome=passed]")


PLACES = """() => [...document.querySelectorAll("#controls .control")].map((one) => {
  const { x, y, width, height } = one.getBoundingClientRect();
  return [x, y + scrollY, width, height].map(Math.round);
})"""


def test_no_button_moves_while_a_step_runs_or_after_it(stage: PlayedStage, screen: Open) -> None:
    """A presenter's finger is on its way already."""
    presenter = screen("presenter", width=1280, height=720)
    begin_third_act(presenter)
    places = [presenter.page.evaluate(PLACES)]
    stage.recorded.red.add("half_is_not_sticky")
    with stage.recorded.held():
        presenter.click(GO)
        presenter.sees("#controls [data-command=skip]", "A step runs")
        places.append(presenter.page.evaluate(PLACES))
    presenter.shows(f"#results .result, {GO}")
    presenter.shows(GO)
    places.append(presenter.page.evaluate(PLACES))

    assert len(places[0]) == 8
    assert places[1:] == places[:1] * 2


def test_a_running_step_is_interrupted(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    begin_third_act(audience)
    with stage.recorded.held():
        audience.press("Enter")
        audience.sees(".status[data-look=running]", "Runs")
        audience.press("x")
        audience.sees(".status[data-look=red]", "did not finish")
    audience.sees(".log", "Interrupted")
    audience.sees(GO, "Run again")
    audience.press("u")
    audience.sees(GO, re.compile("^Run"))
    audience.hides(".status[data-look=red]")


def test_a_step_that_was_undone_and_interrupted_shows_no_result_of_before(stage: PlayedStage, screen: Open) -> None:
    """One key still does the right thing: the step runs again, and the screen says so."""
    audience = screen()
    run_first_step_of_third_act(audience)
    audience.press("u")
    audience.hides(".card .result")
    audience.shows(GO)
    with stage.recorded.held():
        audience.press("Enter")
        audience.shows(".status[data-look=running]")
        audience.press("x")
        audience.sees(".status[data-look=red]", "did not finish")
    audience.hides(".card .result")
    audience.sees(GO, "Run again")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")
    audience.is_at("Half and half")


def test_a_red_check_says_what_was_expected_and_seen_and_becomes_green(stage: PlayedStage, screen: Open) -> None:
    presenter = screen("presenter")
    audience = screen(within=presenter.page.context)
    stage.recorded.red.add("canary_is_counted")
    begin_third_act(audience)
    presenter.click("#outline button:has-text('A canary')")
    audience.is_at("A canary: 90 to 10")
    audience.shows(GO)
    audience.press("Enter")
    audience.sees(".status[data-look=red]", "The check is red")
    seen = stage.recorded.seen("request_routing", "canary", "canary_is_counted")
    assert "answered by east" in seen
    audience.sees(".result[data-outcome=failed] .observed", seen)
    audience.sees(".result[data-outcome=failed] .expected", "Expected: East answers 45 to 96 of 697")
    audience.sees(".act[aria-current] [data-look=red]", "")
    presenter.shows("#results .hint")
    presenter.shows(GO)
    presenter.click("#controls [data-command=until_green]")
    audience.sees(".status[data-look=running]", "Checks until green")
    stage.recorded.red.clear()
    audience.sees(".status[data-look=green]", "The check is green")
    presenter.hides("#results .result[data-outcome=failed]")


def test_a_jump_that_undoes_something_is_confirmed(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    run_first_step_of_third_act(audience)
    audience.press("1")
    audience.sees("dialog", "Jump to act 1, Service Discovery?")
    audience.press("Escape")
    audience.hides("dialog")
    audience.is_at("Half and half")
    audience.press("1")
    audience.shows("dialog")
    audience.press("Enter")
    audience.is_at("West does not know East")
    assert stage.presenter.position.begun == []


def test_faults_are_injected_labelled_and_undone(screen: Open) -> None:
    audience = screen()
    audience.is_at("West does not know East")
    audience.press("i")
    audience.sees(".fault >> nth=1", "Run lab stage --full for this")
    audience.click(".fault >> nth=0 >> button")
    audience.sees(".fault[data-active]", "active, intended")
    audience.press("Escape")
    audience.hides("dialog")
    audience.sees(".log [data-sign=fault]", "Kill podinfo in East")
    audience.sees(".log [data-sign=fault]", "intended")
    audience.press("i")
    audience.click(".fault[data-active] button:has-text('Start podinfo in East again')")
    audience.hides(".fault[data-active]")


def test_a_mark_is_set(screen: Open) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    audience.is_at("West does not know East")
    audience.press("m")
    audience.page.keyboard.type("now I pull the plug")
    audience.press("Enter")
    for one in (audience, presenter):
        one.sees(".log [data-sign=mark]", "now I pull the plug")


def test_the_keys_are_listed(screen: Open) -> None:
    audience = screen()
    audience.is_at("West does not know East")
    audience.press("?")
    audience.sees("dialog", "Check until green")
    audience.press("Enter")  # presses the dialog's own button only
    audience.is_at("West does not know East")


def test_after_a_click_the_keys_belong_to_the_stage(stage: PlayedStage, screen: Open) -> None:
    """A press of Enter runs the step; it does not press the button of the last click again."""
    audience = screen()
    audience.is_at("West does not know East")
    audience.click("#menu")
    audience.shows("dialog")
    audience.press("Escape")
    audience.hides("dialog")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")
    assert stage.turn == 1


def test_the_end_shows_no_card_of_a_step(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    last = stage.presenter.all[-1]
    stage.go_to(last.id)
    audience.is_at(last.step.title)
    for look in ("body:has(.status[data-look=green])", "body:has(.tries li)", "body:has(h1.title:text-is('The end'))"):
        audience.shows(GO)
        audience.press("Enter")
        audience.shows(look)
    assert not audience.page.locator(".card").is_visible()
    presenter.is_at("The end")
    presenter.hides("#results:visible")
    presenter.hides("#next:visible")
