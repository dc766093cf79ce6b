"""An engine that the tests of one file share, and a pymilvus that asks it. A test that changes more than rows opens its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymilvus import MilvusClient

from slowq.engine import Engine
from tests.engine import small


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("engine"), tick_interval_s=0.02) as engine:
        yield engine


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[MilvusClient]:
    with small.client_of(engine) as client:
        yield client
