"""What all tests share. Property tests are short by default; `HYPOTHESIS_PROFILE=thorough` looks at a hundred times as many
examples."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import servers

# As slowq itself does: a process that is started beside open channels may crash in gRPC's own handlers of a fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

settings.register_profile("short", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("short"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.RealMilvus]:
    """A real Milvus 2.3.5, shared by everything that runs in this session."""
    folder = tmp_path_factory.getbasetemp()
    with servers.milvus(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as server:
        yield server
