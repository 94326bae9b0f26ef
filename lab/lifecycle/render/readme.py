"""The README.md of a rendered lab: what each file is, the order of apply, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator

from lab.lab import Lab
from lab.lifecycle.render.files import RenderedLab
from lab.mesh.issuers import anchor_command
from lab.stacks import Stack

_TEXT = """# The lab {name} as YAML

`lab render` wrote this folder for the {stack} stack: {title}.
Its objects are those that `lab up` applies to the clusters {clusters}. It contains no keys, tokens or credentials.

## Requirements

- For each cluster, an empty Kubernetes cluster and a kubectl context of its name: {clusters}. Their nodes reach each
  other.
- These images, under exactly these names, in every node. Names that begin with `eastwest-lab/` are built by the lab
  (`lab artifacts build`) and are not in any registry; `kind load docker-image` loads them into a kind node. A node
  pulls the others from their registries:

{images}
- kubectl 1.31 or newer, OpenSSL 3, and {cli}.

## Order

Run the commands in this folder. They create keys here: keep them to yourself, and out of version control.

Create the trust anchor, which all clusters share:

```sh
{anchor}
```

Then process the files of each cluster in the order of their numbers: apply each `.yaml`, run each `.sh`. The numbers
put namespaces and CRDs before the objects that need them. Links need the other clusters' gateways or accounts, so first
process all files but the links, then the links:

```sh
process() {{
  case "$2" in
    *.yaml) kubectl --context="$1" apply --server-side --filename="$2" ;;
    *.sh) sh "$2" ;;
  esac
}}
for cluster in {names}; do
  for file in "$cluster"/*; do
    case "$file" in *-link-to-*) ;; *) process "$cluster" "$file" || break 2 ;; esac
  done
done
for file in */*-link-to-*; do
  process "${{file%%/*}}" "$file" || break
done
```

`kubectl apply` alone (`for f in {first}/*.yaml; do kubectl --context={first} apply --server-side -f $f; done`) reads
the YAML files in a valid order and skips the scripts, and with them keys, addresses and waits. Then pods that need a
key start when it exists. Linkerd's webhooks refuse the objects of later files until Linkerd runs, so its scripts are
necessary.

- The folder is for empty clusters. In a lab that is up, the scripts stop at the first key that exists.
- A second `kubectl apply` needs `--force-conflicts`: controllers, such as istiod, write some of the same fields.
- After a change of lab.toml or a new version of the lab, `lab render FOLDER --diff` shows what would change.

## Files
{files}
## Left out

{left_out}"""

_LEFT_OUT = """\
- Secrets with keys, tokens and credentials: the `.sh` files create them with openssl and upstream's own programs. Each
  script lists the objects that it creates as comments (PLACEHOLDERS).
- Certificates: they belong to the keys. The `.sh` files create them and insert them where they are trusted.
- Addresses of nodes: only running clusters know them. The `.sh` files read them with kubectl.
- The clusters themselves, their network, the routes between them, and the labels `topology.kubernetes.io/region` and
  `topology.kubernetes.io/zone` of their nodes, which failover needs.
- The lab's own labels and its inventories in the namespace `eastwest-lab`: `lab reset` and `lab down` do not touch what
  you apply.
"""


def readme(lab: Lab, stack: Stack, rendered: RenderedLab) -> str:
    """Return the text."""
    names = list(lab.clusters)
    return _TEXT.format(
        name=lab.spec.name,
        stack=stack.name,
        title=stack.title,
        clusters=", ".join(names),
        names=" ".join(names),
        first=names[0],
        images="\n".join(f"  - `{lab.artifacts.image(image)}`" for image in stack.images(lab)) + "\n",
        cli=" and ".join(f"`{name}`" for name in stack.programs),
        anchor=anchor_command(lab),
        files="\n".join(_tables(rendered)),
        left_out=_LEFT_OUT + "".join(f"- {sentence}\n" for sentence in rendered.left_out),
    )


def _tables(rendered: RenderedLab) -> Iterator[str]:
    for cluster, files in rendered.clusters.items():
        yield f"\n### {cluster}\n\n| file | content |\n| --- | --- |"
        yield from (f"| `{file.path}` | {file.title} |" for file in files)
    yield ""
