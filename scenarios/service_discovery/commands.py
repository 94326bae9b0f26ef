"""The commands of service_discovery: plain Kubernetes, and the mesh's way to export a Service."""

from __future__ import annotations

from lab.base.names import SCENARIO_LABEL
from lab.mesh.names import exported_name
from lab.scenario.actions import Apply, Command, Delete, On, on

from ..podinfo import EAST, SERVICE, WEST

NAME = "service_discovery"
COPY = "podinfo-copied"
SECOND = "greeter"
SECOND_MIRROR = exported_name(SECOND, "{east}")
OLD_PORT, NEW_PORT = 8000, 8080
SERVICES = Command(f"{WEST} get services")
RESTART = (
    Command(f"{EAST} rollout restart deployment {SERVICE}"),
    Command(f"{EAST} rollout status deployment {SERVICE} --timeout=90s", timeout_s=120),
)
RELABEL = (
    Command(f"{EAST} label pods --selector=app.kubernetes.io/name={SERVICE} app.kubernetes.io/name-"),
    Command(f"{EAST} rollout status deployment {SERVICE} --timeout=90s", timeout_s=120),
)
DELETE_RELABELLED = Command(f"{EAST} delete pods --selector='pod-template-hash,!app.kubernetes.io/name' --wait=false")
"""Pods of a Deployment without the label that all of the lab's Deployments select by."""
_PATCH = f"{EAST} patch service {SECOND} --type=json --patch="
EXPOSE = (
    Command(
        f"{EAST} expose deployment {SERVICE} --name={SECOND} --port={OLD_PORT} --target-port=http "
        f"--labels={SCENARIO_LABEL}={NAME}"
    ),
    Command(f"""{_PATCH}'[{{"op":"add","path":"/spec/ports/0/appProtocol","value":"http"}}]'"""),
)
MOVE_PORT = Command(f"""{_PATCH}'[{{"op":"replace","path":"/spec/ports/0/port","value":{NEW_PORT}}}]'""")
DELETE_SECOND = Command(f"{EAST} delete service {SECOND} --ignore-not-found")
COPY_AS_IT_IS = Command(
    f"""\
{EAST} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}}]' | \
kubectl --context={{west}} apply --filename=-""",
    refused=True,
)
COPY_EDITED = Command(
    f"""\
{EAST} get service {SERVICE} --output=yaml | \
kubectl patch --local --filename=- --type=json --output=yaml --patch='[\
{{"op":"replace","path":"/metadata/name","value":"{COPY}"}},\
{{"op":"replace","path":"/metadata/labels","value":{{"{SCENARIO_LABEL}":"{NAME}"}}}},\
{{"op":"remove","path":"/spec/clusterIP"}},{{"op":"remove","path":"/spec/clusterIPs"}}]' | \
kubectl --context={{west}} apply --filename=-"""
)
DELETE_COPY = Command(f"{WEST} delete service {COPY} --ignore-not-found")


def scale(replicas: str) -> Command:
    """Return the command that scales East's podinfo."""
    return Command(f"{EAST} scale deployment {SERVICE} --replicas={replicas}")


SCALE_BACK = (
    scale("{east_replicas}"),
    Command(f"{EAST} rollout status deployment {SERVICE} --timeout=90s", timeout_s=120),
)


def _label(service: str, value: str) -> Command:
    return Command(f"{EAST} label service {service} --overwrite mirror.linkerd.io/exported{value}")


EXPORT: On = on(linkerd=_label(SERVICE, "=true"), istio=Apply("export-podinfo.yaml", to="west"))
UNEXPORT: On = on(linkerd=_label(SERVICE, "-"), istio=Delete("export-podinfo.yaml", of="west"))
EXPORT_SECOND: On = on(
    linkerd=_label(SECOND, "=true"),
    istio=(Apply("subsets-greeter.yaml", to="east"), Apply("export-greeter-8000.yaml", to="west")),
)
FOLLOW_PORT: On = on(
    linkerd=(),  # its service mirror follows a change of ports by itself
    istio=Apply("export-greeter-8080.yaml", to="west"),
)
UNEXPORT_SECOND: On = on(
    linkerd=(),  # its service mirror deletes the mirror of a Service that was deleted
    istio=(Delete("subsets-greeter.yaml", of="east"), Delete("export-greeter-8080.yaml", of="west")),
)
