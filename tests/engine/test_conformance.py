"""The engine beside Milvus: the same calls, by pymilvus of two generations, and by the older one to a real Milvus 2.3.5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slowq.engine import Engine
from tests import conformance_docs
from tests.engine.conformance.asking import OLD_CLIENT, ask, ask_milvus
from tests.engine.conformance.case import Case
from tests.engine.conformance.table import EVERY, comparable, expected, recorded
from tests.servers import RealMilvus

SERVER = "2.6"  # whose rules the engine has


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Engine(tmp_path_factory.mktemp("engine"), tick_interval_s=0.02) as engine:
        server = engine.serve()
        yield f"http://127.0.0.1:{server.port}"
        server.stop()


def unlike(answers: dict[str, Any], cases: list[Case]) -> dict[str, tuple[Any, Any]]:
    """What was answered and what was expected, where these are not the same."""
    return {
        one.name: (answers.get(one.name, "not asked"), expected(one))
        for one in cases
        if comparable(answers.get(one.name, "not asked")) != comparable(expected(one))
    }


def test_the_engine_answers_the_installed_pymilvus_as_milvus_does(uri: str) -> None:
    assert unlike(ask(uri, SERVER), EVERY) == {}


def test_the_engine_answers_pymilvus_2_3_7_as_milvus_does(uri: str) -> None:
    if not OLD_CLIENT.exists():
        pytest.skip("pymilvus 2.3.7 is not installed (tests/services.sh)")
    assert unlike(ask(uri, SERVER, python=OLD_CLIENT), [one for one in EVERY if one.client == (2, 3)]) == {}


@pytest.mark.real
def test_milvus_2_3_5_answers_as_it_is_recorded(milvus: RealMilvus) -> None:
    answers = {name: comparable(answer) for name, answer in ask_milvus(milvus).items()}
    assert answers == {name: comparable(answer) for name, answer in recorded().items()}


def test_each_difference_from_milvus_2_3_5_is_one() -> None:
    """So that an entry goes when the engine no longer differs."""
    alike = [one.name for one in EVERY if one.differs and comparable(one.answer) == comparable(recorded()[one.name])]
    assert alike == []


def test_each_call_has_a_name_of_its_own() -> None:
    names = [one.name for one in EVERY]
    assert sorted(names) == sorted(set(names))


def test_the_page_of_calls_is_up_to_date() -> None:
    assert Path(conformance_docs.PATH).read_text(encoding="utf-8") == conformance_docs.text()
