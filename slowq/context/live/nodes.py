"""The nodes, as the coordinators tell of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slowq.context.live.load import share
from slowq.context.live.server import Facts, Server, known

_SEARCHING = ("querynode", "streamingnode")  # the second holds growing segments from 2.6 on


class System:
    """The answer to "system_info", which is Milvus' own word for the question. Nothing of it is trusted to be there."""

    def __init__(self, said: Any) -> None:
        self._nodes = [one for one in map(_infos, _list(_mapping(said).get("nodes_info"))) if one]

    @classmethod
    def of(cls, server: Server) -> System:
        request = server.messages.GetMetricsRequest(request=json.dumps({"metric_type": "system_info"}))
        answer = server.ask("the nodes", "GetMetrics", request)
        try:
            return cls(json.loads(answer.response) if answer is not None else None)
        except (ValueError, RecursionError):
            server.troubles.add("the nodes", "the answer is not JSON")
            return cls(None)

    @property
    def deployment(self) -> str | None:
        modes = {str(_mapping(one.get("system_info")).get("deploy_mode")).lower() for one in self._nodes}
        return deployment_of(*modes)

    @property
    def segment_bytes(self) -> float | None:
        """The largest size of a segment."""
        for one in self._nodes:
            size = _number(_mapping(one.get("system_configurations")).get("segment_max_size"))
            if size:
                return size * (1 << 20)
        return None

    @property
    def cores(self) -> float | None:
        return _same(_number(one.get("cpu_core_count")) for one in self._hardware())

    @property
    def memory_bytes(self) -> float | None:
        return _same(_number(one.get("memory")) for one in self._hardware())

    def hardware(self) -> Facts:
        """What all query nodes have; what differs is left out."""
        memory = self.memory_bytes
        found = {
            "query_nodes": len(self._of("querynode")) or None,
            "cpus_per_node": self.cores or None,
            "memory_gib_per_node": round(memory / (1 << 30), 1) if memory else None,
        }
        return known(found)

    def load(self) -> list[Facts]:
        """CPU and memory of the nodes that search. The CPU not of a standalone: its parts are one process, and ask for it
        so shortly after each other that the figures mean nothing."""
        alone = self.deployment == "standalone"
        found = []
        for one in self._of(*_SEARCHING):
            hardware = _mapping(one.get("hardware_infos"))
            cpu, memory, used = (_number(hardware.get(key)) for key in ("cpu_core_usage", "memory", "memory_usage"))
            shares = {
                "cpu_share": None if alone else share(cpu, 100.0),  # of the whole machine, whatever its cores
                "memory_share": share(used, memory),
            }
            if told := known(shares):
                found.append({"node": str(one.get("name") or one.get("id")), **told})
        return sorted(found, key=lambda one: str(one["node"]))

    def _of(self, *types: str) -> list[Mapping[str, Any]]:
        return [one for one in self._nodes if one.get("type") in types]

    def _hardware(self) -> list[Mapping[str, Any]]:
        return [_mapping(one.get("hardware_infos")) for one in self._of("querynode")]


def deployment_of(*modes: str) -> str | None:
    """`DEPLOY_MODE` in the words of the context file."""
    said = {mode.lower() for mode in modes}
    return "standalone" if "standalone" in said else "cluster" if said & {"distributed", "cluster"} else None


def _infos(one: Any) -> Mapping[str, Any]:
    return _mapping(_mapping(one).get("infos"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _same(values: Any) -> float | None:
    """The one value that all have."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
