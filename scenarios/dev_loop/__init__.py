"""Act 4, development: my-service on the laptop, as a pod and as a process; all other services stay shared."""

from __future__ import annotations

from collections.abc import Iterator

from lab.mesh.capabilities import Capability
from lab.scenario.actions import Action, Command, Observe, Start, Stop, Until, on
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

from ..podinfo import WEST
from . import looks
from .looks import AWAY_KEY, HEADER, RELOAD_KEY, RELOADED_WITHIN_S, SAMPLE, SERVICE

_SETTLES_S = 20.0
_GIVE_UP_S = 30.0
_FOLDER = f"{{work}}/{SERVICE}"
_POD = f"lab dev pod {_FOLDER}"
_MAIN = f"-- python3 {_FOLDER}/main.py"
_FOR_HEADER = f"lab dev process --header {'='.join(HEADER)} {_MAIN}"
_FOR_ALL = f"lab dev process {_MAIN}"
_STOPS_S = 120.0
_BEGUN = "Ctrl-C"
"""A word of the line that `lab dev process` prints when the intercept is in place."""


def _saves() -> Iterator[Action]:
    """Yield three saves, each with a wait until West's frontend gets the new version."""
    for version in ("2", "3", "4"):
        yield Command(f"sed -i.bak 's/^VERSION = .*/VERSION = \"{version}\"/' {_FOLDER}/main.py")
        yield Until(
            f"an answer of version {version}",
            looks.version(version),
            timeout_s=_GIVE_UP_S,
            interval_s=0.05,
            measured=RELOAD_KEY,
            required=False,
        )


SCENARIO = Scenario(
    name="dev_loop",
    title="Development",
    act="Profit",
    claim="A developer changes my-service on the laptop in seconds, with users of the shared cluster and no copy of it",
    requires=frozenset({Capability.EXPORT, Capability.INTERCEPT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="local", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role="shared", services=("backend", "users", "large-stuff")),
        ),
        arrows=(
            Arrow(source="west/frontend", target=f"west/{SERVICE}", label="pod, or process"),
            Arrow(source=f"west/{SERVICE}", target="east/users"),
            Arrow(source="east/backend", target="east/users"),
            Arrow(source="east/backend", target="east/large-stuff"),
            Arrow(source=f"west/{SERVICE}", target="east/large-stuff", label="never copied", allowed=False),
        ),
    ),
    steps=(
        ScenarioStep(
            name="shared",
            title="A shared cluster",
            narration="East runs the services that are too large for a laptop: backend, users, large-stuff. It exports "
            "only users.",
            before=(Observe("images", looks.images),),
            do=(Command("lab dev shared", timeout_s=_STOPS_S),),
            undo=(Command("lab dev stop", timeout_s=_STOPS_S),),
            checks=(
                Check(
                    name="shared_works",
                    claim="In East, backend reaches users and large-stuff",
                    expected="3 users and more than 32 MB",
                    look=looks.shared_works,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="pod",
            title="my-service as a pod, from a folder",
            narration="The lab copies the folder into a pod in West with Kubernetes' exec. It builds no image: the pod "
            "uses an image with Python that the node already has.",
            before=(
                Command("mkdir -p {work}"),
                Command(f"cp -R {{apps}}/{SERVICE} {{work}}"),
            ),
            do=(Start(_POD, ready=looks.pod_answers),),
            undo=(Stop(_POD), Command(f"rm -rf {_FOLDER}")),
            checks=(
                Check(
                    name="pod_reaches_users",
                    claim="my-service in West answers West's frontend, with data of East's users",
                    expected="10 of 10 from West, each with data of East's users",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=10'",
                    look=looks.pod_answers,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reload",
            title="Save and reload",
            narration="Change a line and save. The lab watches the folder, and the pod runs the new code in seconds.",
            before=(Observe("pod", looks.pod), Observe(RELOAD_KEY, lambda _: [])),
            do=tuple(_saves()),
            checks=(
                Check(
                    name="reload_is_quick",
                    claim="West's frontend gets an answer of a saved change within seconds",
                    expected=f"three saves, each in an answer within {RELOADED_WITHIN_S:.0f} s",
                    look=looks.reload_is_quick,
                ),
                Check(
                    name="nothing_was_built",
                    claim="The change needed no new image and no new pod",
                    expected="the pod has the same UID, images and restarts as before",
                    look=looks.nothing_was_built,
                ),
            ),
            sabotage=Sabotage(
                title="nothing watches the folder",
                do=(
                    Stop(_POD),
                    Command(f"lab dev pod --once {_FOLDER}", timeout_s=_STOPS_S),
                    Observe("pod", looks.pod),
                ),
                undo=(),
                fails="reload_is_quick",
                before_do=True,
            ),
        ),
        ScenarioStep(
            name="header",
            title="my-service as a process, for one header",
            narration="Now a plain process on this machine. Requests with a chosen header go to it. All others still "
            "reach the pod, so colleagues notice nothing.",
            do=(Start(_FOR_HEADER, ready=looks.laptop_answers, says=_BEGUN),),
            undo=(Stop(_FOR_HEADER),),
            checks=(
                Check(
                    name="only_chosen_header",
                    claim="Requests with the chosen header, and only those, reach the process",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop with it; by West without it and with another value",
                    look=looks.only_chosen,
                    within_s=_SETTLES_S,
                ),
                Check(
                    name="process_reaches_users",
                    claim="The process reaches East's users by its name in the cluster",
                    expected="10 of 10 by this process, each with data of East's users",
                    look=looks.process_reaches_users,
                ),
                Check(
                    name="only_loopback",
                    claim="Tunnel and process listen on this machine's loopback only",
                    expected="every listening socket on 127.0.0.1",
                    look=looks.only_loopback,
                ),
            ),
            sabotage=Sabotage(
                title="the intercept is removed",
                do=(
                    on(
                        linkerd=Command(f"{WEST} delete httproutes --selector=eastwest.lab/divert={SERVICE}"),
                        istio=Command(f"{WEST} delete virtualservice {SERVICE}-divert"),
                    ),
                ),
                undo=(),
                fails="only_chosen_header",
            ),
        ),
        ScenarioStep(
            name="everything",
            title="my-service as a process, for all requests",
            narration="Without a header, all requests go to the process, many at the same time.",
            before=(Stop(_FOR_HEADER),),
            do=(Start(_FOR_ALL, ready=looks.everything_comes, says=_BEGUN),),
            undo=(Stop(_FOR_ALL),),
            checks=(
                Check(
                    name="everything_comes",
                    claim="The process answers all of West's requests, 25 at the same time",
                    expected="100 of 100 by the laptop",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=100'",
                    look=looks.everything_comes,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="reconnect",
            title="The connection breaks",
            narration="The pod at the other end of the tunnel is deleted, and the connection breaks. The lab "
            "reconnects to the new pod.",
            do=(
                Command(f"{WEST} delete pods --selector=app.kubernetes.io/name={SERVICE}-dev --wait=false"),
                Until("answers through the tunnel", looks.everything_comes, timeout_s=_GIVE_UP_S, measured=AWAY_KEY),
            ),
            checks=(
                Check(
                    name="comes_back",
                    claim="The process answers again after the tunnel broke",
                    expected=f"{SAMPLE} of {SAMPLE} by the laptop",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=40'",
                    look=looks.comes_back,
                ),
            ),
        ),
        ScenarioStep(
            name="give_back",
            title="Ctrl-C",
            narration="The process ends, and the pod gets the requests again.",
            do=(Stop(_FOR_ALL),),
            checks=(
                Check(
                    name="given_back",
                    claim="The pod answers again, and no object of the process is left in West",
                    expected=f"{SAMPLE} of {SAMPLE} by West, no object, no intercept",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=40'",
                    look=looks.given_back,
                    within_s=_SETTLES_S,
                ),
            ),
        ),
        ScenarioStep(
            name="large_stuff",
            title="large-stuff stays in East",
            narration="The laptop got no pod, no image and no data of large-stuff.",
            checks=(
                Check(
                    name="no_objects",
                    claim="West has no object of large-stuff, and no name for it",
                    expected="some in East, none in West, no such name",
                    command="kubectl --context={west} get deployments,services --all-namespaces",
                    look=looks.no_objects,
                ),
                Check(
                    name="no_images",
                    claim="West's node has the same images as before",
                    expected="no new image",
                    look=looks.no_images,
                    requires=frozenset({Capability.NODES}),
                ),
                Check(
                    name="no_data",
                    claim="No file of West's pods contains large-stuff's data",
                    expected="found in East, not in West",
                    look=looks.no_data,
                    requires=frozenset({Capability.NODES}),
                ),
            ),
            sabotage=Sabotage(
                title="the shared services are copied to West",
                do=(Command("lab dev shared --in {west}", timeout_s=_STOPS_S),),
                undo=(Command("lab dev stop", timeout_s=_STOPS_S),),
                fails="no_objects",
            ),
        ),
    ),
    saw="A saved change is live in about a second, in a pod or in a process with a debugger. It uses the real users "
    "service and disturbs no other developer, and large-stuff stays in the large cluster.",
    try_next=(
        "Open {west_url}/?upstream=my-service and change the colour in apps/my-service/main.py.",
        "Start it in your debugger: `lab dev process --port 8000` prints the variables that it needs.",
        "Save a syntax error while `lab dev pod` watches.",
    ),
)
