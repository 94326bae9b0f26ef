"""What a problem report says about the engine: versions, facts, nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.host.doctor.engine import describe
from lab.host.machine import Machine
from lab.host.origin import origin_of
from lab.tools.docker import Docker
from lab.tools.kind import CLUSTER_LABEL


@dataclass(frozen=True, kw_only=True)
class EngineReport:
    """Reads the engine for a report; each method raises LabError if the engine does not answer."""

    docker: Docker = field(default_factory=Docker)
    machine: Machine = field(default_factory=Machine)

    def versions(self) -> str:
        """Return what `docker version` prints."""
        return self.docker.version_text()

    def facts(self) -> list[tuple[str, object]]:
        """Return the engine's facts with their titles; of proxies only whether they are set."""
        engine = self.docker.info()
        origin = origin_of(self.docker, self.machine, engine)
        controllers = ", ".join(sorted(engine.controllers))
        return [
            ("engine", describe(engine, origin)),
            ("address", origin.address),
            ("context", engine.context),
            ("kernel", engine.kernel),
            ("architecture", engine.architecture),
            ("processors", engine.cpus),
            ("memory", f"{engine.memory_bytes / 2**30:.1f} GiB"),
            ("cgroups", f"v{engine.cgroup_version} ({engine.cgroup_driver}): {controllers}"),
            ("root folder", engine.root_dir),
            ("default runtime", engine.default_runtime),
            ("security options", ", ".join(engine.security_options)),
            ("proxies", "set" if engine.proxies else "none"),
            ("warnings", "; ".join(engine.warnings) or "none"),
        ]

    def nodes(self) -> list[tuple[str, str, int, str]]:
        """Return name, status, exit code and image of each of kind's nodes."""
        found = self.docker.containers({CLUSTER_LABEL: None})
        return [(node.name, node.status, node.exit_code, node.image) for node in found]
