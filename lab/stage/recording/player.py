"""Play a recording as a `Stage`: the same state, events, panels and consoles as when it was live, and no lab behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lab.base.names import Json
from lab.scenario.presenter import Wish
from lab.stage.broker import Broker
from lab.stage.parts import Declined
from lab.stage.recording.clock import Moment, PlayClock
from lab.stage.recording.replay_console import ReplayConsole
from lab.stage.recording.tape import Happening, Tape

ONLY = "this is a replay: it only shows what was"
ACTIONS = ("play", "pause", "seek", "speed")
_FRAME_S = 0.04
"""Time between two looks at the clock while it runs: as smooth as keys that are typed."""
_STILL_S = 1.0


@dataclass(kw_only=True)
class Player:
    """A replay. `page_url` is where the page of the replay is served.

    `start` begins to publish what happens as its time comes; `close` ends that.
    """

    tape: Tape
    page_url: str
    broker: Broker = field(default_factory=Broker)
    clock: PlayClock = field(init=False)
    consoles: dict[str, ReplayConsole] = field(init=False)
    _shown: Moment = field(init=False)
    _state: Happening = field(init=False)
    _panels: dict[str, Json] = field(default_factory=dict)
    _guard: threading.RLock = field(default_factory=threading.RLock)
    _wake: threading.Event = field(default_factory=threading.Event)
    over: bool = False
    """The replay was closed."""
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.clock = PlayClock(length_s=self.tape.length_s)
        self.consoles = {name: ReplayConsole(tape=tape) for name, tape in self.tape.consoles.items()}
        self._first = next(event for event in self.tape.events.events if event.name == "state")
        self._state = self._first
        self._shown = self.clock.moment
        self._rebuild(self._shown)

    # Controls

    def start(self, *, playing: bool = True) -> None:
        """Begin."""
        if playing:
            self.clock.play()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End: all consoles, and what is published."""
        self.over = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(1)
        for console in self.consoles.values():
            console.close()

    def control(self, action: str, *, at_s: float | None = None, speed: float | None = None) -> None:
        """Do what a person at the controls wants.

        Args:
            action: one of ACTIONS.
            at_s: where to jump, for `seek`.
            speed: how fast to play, for `play` and `speed`; None leaves it as it is.

        Raises:
            ValueError: there is no such action, or a jump without a time.
        """
        if action not in ACTIONS or (action == "seek" and at_s is None):
            raise ValueError(action)
        if speed is not None:
            self.clock.change_speed(speed)
        if action == "play":
            self.clock.play()
        elif action == "pause":
            self.clock.pause()
        elif action == "seek" and at_s is not None:
            self.clock.seek(at_s)
        self.advance(told=True)
        self._wake.set()

    # As a stage

    def state(self) -> Json:
        """Return the state of the moment, as that of a replay."""
        with self._guard:
            return replayed(self._state, self._shown, self.tape, page_url=self.page_url)

    def panels(self) -> Sequence[Json]:
        """Return the last panel of each cluster."""
        with self._guard:
            return list(self._panels.values())

    def wish(self, wish: Wish, *, at: str | None, turn: int | None = None) -> None:  # noqa: ARG002 - as Stage says
        """Refuse."""
        raise Declined(ONLY, next=_LIVE)

    def check_until_green(self, *, at: str | None) -> None:  # noqa: ARG002 - as Stage says
        """Refuse."""
        raise Declined(ONLY, next=_LIVE)

    def interrupt(self) -> None:
        """Refuse."""
        raise Declined(ONLY, next=_LIVE)

    def jump(self, to: str | int) -> None:
        """Jump to the moment in which a step, or the first step of an act, became the current one.

        Raises:
            Declined: the recording does not have it.
        """
        at_s = self._moment_of(to)
        if at_s is None:
            raise Declined("the recording does not have this step", next="another step")
        self.control("seek", at_s=at_s)

    def fault(self, name: str, *, undo: bool) -> None:  # noqa: ARG002 - as Stage says
        """Refuse."""
        raise Declined(ONLY, next=_LIVE)

    def mark(self, text: str) -> None:  # noqa: ARG002 - as Stage says
        """Refuse."""
        raise Declined(ONLY, next=_LIVE)

    def console(self, name: str) -> ReplayConsole:
        """Return a console.

        Raises:
            KeyError: the recording has no console of this name.
        """
        return self.consoles[name]

    # As time passes

    def advance(self, *, told: bool = False) -> None:
        """Publish what happened until now; after a jump, the whole state. `told` publishes the state in any case."""
        with self._guard:
            before, moment = self._shown, self.clock.moment
            self._shown = moment
            if moment.jumps != before.jumps:
                self._rebuild(moment)
                self._tell_all()
                return
            for event in self.tape.events.between(before.at_s, moment.at_s):
                self._take(event)
                if event.name == "state":
                    self.broker.publish("state", self.state())
                elif event.name != "console" or event.data.get("name") in self.consoles:
                    self.broker.publish(event.name, event.data)
            for console in self.consoles.values():
                console.advance(moment.at_s)
            if told or moment.playing != before.playing:
                self.broker.publish("state", self.state())

    def _run(self) -> None:
        while not self.over:
            self._wake.wait(_FRAME_S if self.clock.moment.playing else _STILL_S)
            self._wake.clear()
            self.advance()

    def _tell_all(self) -> None:
        self.broker.publish("state", self.state())
        for panel in self._panels.values():
            self.broker.publish("panel", panel)

    def _rebuild(self, moment: Moment) -> None:
        self._state = self._first
        self._panels.clear()
        for event in self.tape.events.between(-1.0, moment.at_s):
            self._take(event)
        for console in self.consoles.values():
            console.jump(moment.at_s)

    def _take(self, event: Happening) -> None:
        if event.name == "state":
            self._state = event
        elif event.name == "panel":
            self._panels[str(event.data.get("cluster"))] = event.data
        else:
            self._state = replace(self._state, data=folded(self._state.data, event))

    def _moment_of(self, to: str | int) -> float | None:
        """Return when a step, or a step of an act, was the current one for the first time."""
        for event in self.tape.events.events:
            current = event.data.get("current") if event.name == "state" else None
            if current is not None and (current == to or _act_of(event.data, str(current)) == to):
                return event.at_s
        return None


_LIVE = "lab stage, on a lab that is up"


def folded(state: Json, event: Happening) -> Json:
    """Return a state with what an event behind it tells; the next whole state has that, too."""
    match event.name:
        case "mark" | "note":
            key, data = f"{event.name}s", event.data
            known = state.get(key) or []
            is_known = any((one.get("at"), one.get("text")) == (data.get("at"), data.get("text")) for one in known)
            return state if is_known else {**state, key: [*known, data]}
        case "console":
            known = state.get("consoles") or []
            others = [one for one in known if one.get("name") != event.data.get("name")]
            if event.data.get("closed"):
                return {**state, "consoles": others}
            before = [one for one in known if one.get("name") == event.data.get("name")]
            return {**state, "consoles": [*others, {**(before[0] if before else {}), **event.data}]}
        case _:
            return state


def replayed(event: Happening, moment: Moment, tape: Tape, *, page_url: str) -> Json:
    """Return a recorded state as that of a replay at a moment.

    Times that count on from now, such as how long a step runs, are those of the replay.
    """
    state = event.data
    since_s = max(0.0, moment.at_s - event.at_s)
    recorded_at = tape.manifest.began_at + event.at_s
    shown: dict[str, Json] = {
        **state,
        "mode": "replay",
        "page": {"url": page_url},
        "consoles": [one for one in state.get("consoles") or () if one.get("name") in tape.consoles],
        "disabled": {**dict.fromkeys(state.get("disabled") or {}, ONLY), "jump": None},
        "faults": [{**one, "disabled": ONLY} for one in state.get("faults") or ()],
        "audience": None,
        "replay": {
            "run": tape.manifest.id,
            "at_s": round(moment.at_s, 3),
            "length_s": round(tape.length_s, 3),
            "playing": moment.playing,
            "speed": moment.speed,
            "recorded_at": tape.manifest.began_at,
            "problems": list(tape.problems),
        },
    }
    if isinstance(running := state.get("running"), dict):
        ran_s = recorded_at - float(running.get("since") or recorded_at)
        shown["running"] = {**running, "since": round(time.time() - ran_s - since_s, 3)}
    if isinstance(clock := state.get("clock"), dict) and clock.get("started"):
        elapsed_s = float(clock.get("elapsed_s") or 0.0) + since_s
        shown["clock"] = {**clock, "elapsed_s": round(elapsed_s, 1), "started": round(time.time() - elapsed_s, 3)}
    return shown


def _act_of(state: Json, step: str) -> int | None:
    scenario = step.partition("/")[0]
    acts = (act for act in state.get("acts") or () if scenario in act.get("scenarios", ()))
    return next((int(act["number"]) for act in acts), None)
