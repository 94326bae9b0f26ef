"""Act 4, modes: the same service through East's gateway, directly, and as one service of both clusters, live."""

from __future__ import annotations

from lab.base.names import NAMESPACE
from lab.base.wait import TransientError
from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller
from lab.mesh.names import direct_name, exported_name
from lab.scenario.actions import Action, Command, NewPhase, Pause, Until, on
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from .. import gateway
from ..latency import Part, costs
from ..podinfo import MIRROR, SERVICE
from ..recorded import answered, nothing_lost
from ..seeing import answers, identities, only

_DIRECT = exported_name(direct_name(SERVICE), "{east}")
_GIVE_UP_S = 30.0
_SAMPLE = Pause(5, "the load runs in this mode")
_GONE = Pause(6, "the load runs without the gateway")
_NEARLY_ALL = 0.95
_WITHOUT = "without the gateway"
_BY_GATEWAY, _DIRECTLY, _FEDERATED = "gateway", "direct", "federated"
_SLOWER_MS, _FAST = 10.0, 10
"""Other work on the machine hardly changes the 10th percentile; a gateway costs a hop of some milliseconds."""

_SWITCH_LOAD = StepLoad(name="modes", service=SERVICE)
_GATEWAY_LOAD = StepLoad(name="no-gateway", service=SERVICE)

_NEEDED = frozenset({Capability.SPLIT, Capability.DIRECT, Capability.FEDERATE})
_DIRECT_EXPORT = Command("lab export podinfo --from {east} --direct")
_MODES = (_DIRECT_EXPORT, Command("lab federate podinfo"))
_NO_MODES = (
    Command("lab unsplit podinfo --in {west}"),
    Command("lab unfederate podinfo"),
    Command("lab unexport podinfo --from {east} --direct"),
)
_NO_GATEWAY = gateway.commands(gateway.scaling(0), gateway.GONE)
_GATEWAY_BACK = gateway.scaled("{gateways}")


def _linkerd(*actions: Action) -> tuple[Action, ...]:
    """Return actions of the only stack that has these modes."""
    return (on(linkerd=actions, istio=()),)


def _to(name: str) -> Command:
    """Return the command that sends all of West's requests to podinfo to one of its names."""
    return Command(f"lab split podinfo --in {{west}} {name}=100")


def _any_answers(context: Context) -> Observation:
    """Look whether all requests are answered: a federated service prefers the pods that answer sooner."""
    counts = answers(context, context.west, SERVICE, count=50)
    return Observation(holds=not counts.failed, seen=counts.words, evidence=(counts.evidence,))


def _settled(look: Look) -> Until:
    """Return a wait until the proxies use the mode; it gives up quietly, and the load shows what they do."""
    return Until("answers in this mode", look, timeout_s=_GIVE_UP_S, successes=2, required=False)


def _in(mode: str, name: str, look: Look) -> tuple[Action, ...]:
    """Return the actions that send requests in one mode, as a phase of the load."""
    return NewPhase(f"to {mode}"), _to(name), _settled(look), NewPhase(mode), _SAMPLE


def _sees_the_caller(context: Context) -> Observation:
    """Look which identity podinfo sees: without a gateway, that of West's frontend itself."""
    try:
        ends = identities(context, context.west, SERVICE)
    except TransientError as error:
        nobody = Evidence(kind=EvidenceKind.ANSWERS, title="identities that podinfo saw", text=str(error))
        return Observation(holds=False, seen="podinfo did not answer", evidence=(nobody,))
    frontend = Caller(cluster=context.west.name, namespace=NAMESPACE, service_account="frontend")
    wanted = context.mesh.identity_of(frontend)
    between = f", through {ends.gateway}" if ends.gateway else ", and no gateway"
    return Observation(
        holds=ends.client == wanted and not ends.gateway,
        seen=f"{ends.client or 'no client identity'}{between}",
        evidence=(ends.evidence,),
    )


SCENARIO = Scenario(
    name="modes",
    title="Three modes between clusters",
    act="Profit",
    claim="Requests move from the gateway to the direct mode and to a federated service, live, and none is lost",
    requires=_NEEDED,
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="the callers", services=("frontend", SERVICE)),
            TopologyNode(cluster="east", role="shared", services=("east-west gateway", SERVICE)),
        ),
        arrows=(
            Arrow(source="west/frontend", target="east/east-west gateway", label=MIRROR),
            Arrow(source="east/east-west gateway", target=f"east/{SERVICE}"),
            Arrow(source="west/frontend", target=f"east/{SERVICE}", label=_DIRECT),
            Arrow(source="west/frontend", target=f"west/{SERVICE}", label="podinfo-federated"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="switch",
            title="One split moves requests between the modes",
            narration="West knows East's podinfo by three names. The first leads through East's gateway, the second to "
            "the pods themselves, and the third joins the pods of both clusters. A split sends the requests from one "
            "to the next, while a load runs. Pods must reach pods of other clusters: `flat = true` under [network] in "
            "lab.toml.",
            requires=_NEEDED,
            before=_linkerd(*_MODES),
            load=_SWITCH_LOAD,
            do=_linkerd(
                *_in(_BY_GATEWAY, MIRROR, only(SERVICE, by="east")),
                *_in(_DIRECTLY, _DIRECT, only(SERVICE, by="east")),
                *_in(_FEDERATED, "podinfo-federated", _any_answers),
            ),
            undo=_linkerd(*_NO_MODES),
            checks=(
                nothing_lost(_SWITCH_LOAD, name="switching_loses_nothing", claim="No request is lost while they move"),
                Check(
                    name="east_answers_directly",
                    claim="In the direct mode, East answers",
                    expected=f"{_NEARLY_ALL:.0%} or more",
                    look=answered(_SWITCH_LOAD, during=_DIRECTLY, by="east", mostly=_NEARLY_ALL),
                ),
                Check(
                    name="direct_costs_little",
                    claim="The direct mode is about as fast as the gateway",
                    expected=f"its p{_FAST} is at most {_SLOWER_MS:.0f} ms above that of the gateway",
                    look=costs(
                        Part(load=_SWITCH_LOAD, phase=_DIRECTLY),
                        Part(load=_SWITCH_LOAD, phase=_BY_GATEWAY),
                        least_ms=float("-inf"),
                        most_ms=_SLOWER_MS,
                        percent=_FAST,
                        of=_FAST,
                    ),
                ),
            ),
        ),
        ScenarioStep(
            name="without_gateway",
            title="The gateway stops, and direct requests continue",
            narration="All requests go to East's pods directly. East's gateway stops. podinfo sees the caller's own "
            "identity, because no gateway is between them.",
            requires=_NEEDED,
            before=_linkerd(_DIRECT_EXPORT, _to(_DIRECT), _settled(only(SERVICE, by="east"))),
            load=_GATEWAY_LOAD,
            do=_linkerd(NewPhase("the gateway stops"), _NO_GATEWAY, NewPhase(_WITHOUT), _GONE),
            undo=_linkerd(_GATEWAY_BACK, *_NO_MODES),
            checks=(
                nothing_lost(
                    _GATEWAY_LOAD, name="gateway_is_not_needed", claim="No request is lost without the gateway"
                ),
                Check(
                    name="podinfo_sees_the_caller",
                    claim="podinfo sees the identity of West's frontend",
                    expected="the frontend's identity, and no gateway's",
                    look=_sees_the_caller,
                ),
            ),
            sabotage=Sabotage(
                title="the requests take the gateway",
                do=_linkerd(_to(MIRROR), _settled(only(SERVICE, by="east"))),
                undo=_linkerd(_to(_DIRECT)),
                fails="gateway_is_not_needed",
                before_do=True,
            ),
        ),
    ),
    saw="A gateway needs one address for each cluster and hides the network behind it. The direct mode needs routes "
    "between all pods, and saves a hop and a part that can fail. A federated service is one name for all clusters, and "
    "prefers the pods that answer sooner. The callers do not change: a split moves their requests.",
    try_next=(
        "Mix them: `lab federate podinfo`, then `lab split podinfo podinfo-{east}=50 podinfo-federated=50`.",
        "Which hop costs what: `lab network {west} {east} --delay 80ms`, then this scenario again.",
    ),
)
