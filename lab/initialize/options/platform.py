"""Where the clusters run, and how many there are."""

from __future__ import annotations

from lab.initialize.model import Category, Option

_HAS_NO_BALANCER = "kind has no load balancer: apply.sh gives Services of type LoadBalancer their node's address."

PLATFORM = Category(
    id="platform",
    title="Platform",
    question="Where do the clusters run?",
    default="kind",
    options=(
        Option(
            id="kind",
            title="kind",
            says="Kubernetes in containers of the local engine, as the lab itself.",
            license="Apache-2.0",
            notes=(_HAS_NO_BALANCER,),
        ),
        Option(
            id="docker-desktop",
            title="Docker Desktop",
            says="The cluster of Docker Desktop, whose load balancer is localhost.",
            license="proprietary",
        ),
        Option(
            id="minikube",
            title="minikube",
            says="A local cluster in a virtual machine or a container.",
            license="Apache-2.0",
            notes=("`minikube tunnel` gives Services of type LoadBalancer their addresses; let it run.",),
        ),
        Option(
            id="k3d",
            title="k3d",
            says="K3s in containers of the local engine, with a load balancer of its own.",
            license="MIT",
            notes=("k3d's Traefik is off: it would hold port 80.",),
        ),
        Option(id="gke", title="GKE", says="Google Kubernetes Engine.", license="proprietary"),
        Option(id="eks", title="EKS", says="Amazon Elastic Kubernetes Service.", license="proprietary"),
        Option(id="aks", title="AKS", says="Azure Kubernetes Service.", license="proprietary"),
        Option(
            id="plain",
            title="another cluster",
            says="Any conformant cluster with a load balancer.",
        ),
    ),
)

CLUSTERS = Category(
    id="clusters",
    title="Clusters",
    question="One cluster, or East and West?",
    default="east-west",
    options=(
        Option(id="single", title="one cluster", says="One cluster, East; West can be added later by an update."),
        Option(
            id="east-west",
            title="East and West",
            says="Two clusters; with a mesh, they share one trust anchor and call each other's services.",
        ),
    ),
)
