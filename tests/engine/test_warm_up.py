"""Warm-up: what of a mapped segment is read before it serves, in the background, or by the searches themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from slowq.engine import Engine, configure
from slowq.engine.faults import RequestFault
from slowq.engine.mapped import MappedFile
from tests.engine import small

WARM_UP = "queryNode.segcore.tieredStorage.warmup."
MAPPED = {f"queryNode.mmap.{what}": True for what in ("vectorField", "vectorIndex", "scalarField", "scalarIndex")}
ROWS = {key: (key % 7, 1) for key in range(50)}
FILES = {
    "vectorField": "v.vectors",
    "vectorIndex": "graph.faiss",
    "scalarField": "scalars.mapped",
    "scalarIndex": "group",
}


def stored(folder: Path, **params: str) -> None:
    with small.opened(folder) as engine:
        small.create(engine, index="HNSW", **params)
        engine.create_index(small.found(engine), "group", "group", {"index_type": "INVERTED"})
        small.insert(engine, ROWS)
        engine.coordinator.upkeep.flush(small.found(engine))
        small.settled(engine)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is done to each mapped file, in order."""
    told: list[tuple[str, str]] = []
    real = {name: getattr(MappedFile, name) for name in ("warm", "cool")}

    def noting(name: str) -> object:
        def note(self: MappedFile) -> object:
            told.append((self.path.name if not self.path.name.endswith(".index") else "group", name))
            return real[name](self)

        return note

    for name in real:
        monkeypatch.setattr(MappedFile, name, noting(name))
    return told


def opened(folder: Path, settings: Mapping[str, object]) -> Engine:
    return small.opened(folder, small.config(**MAPPED, **settings))


@pytest.mark.parametrize(
    ("policy", "expected"), [("sync", ["warm"]), ("disable", ["cool"]), ("async", ["cool", "warm"])]
)
@pytest.mark.parametrize("what", FILES)
def test_a_mapped_file_is_read_as_its_key_says(
    tmp_path: Path, done: list[tuple[str, str]], what: str, policy: str, expected: list[str]
) -> None:
    stored(tmp_path)
    done.clear()
    with opened(tmp_path, {WARM_UP + what: policy}) as engine:
        own = [name for file, name in done if file == FILES[what]]
        assert own[:1] == expected[:1]  # before it serves
        small.until(lambda: [name for file, name in done if file == FILES[what]] == expected)
        assert small.answer(engine, "group == 3") == {key: one for key, one in ROWS.items() if one[0] == 3}
        assert small.nearest(engine, small.vector_of(40, 1), 1) == [40]


def test_by_default_only_vectors_are_left_to_the_searches(tmp_path: Path, done: list[tuple[str, str]]) -> None:
    stored(tmp_path)
    done.clear()
    with opened(tmp_path, {}):
        assert dict(done) == {"v.vectors": "cool", "graph.faiss": "warm", "scalars.mapped": "warm", "group": "warm"}


def test_an_index_s_own_policy_comes_before_the_configuration_s(tmp_path: Path, done: list[tuple[str, str]]) -> None:
    stored(tmp_path, warmup="disable")
    done.clear()
    with opened(tmp_path, {}):
        assert dict(done)["graph.faiss"] == "cool"


def test_a_policy_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine, pytest.raises(RequestFault, match="invalid warmup policy: bogus"):
        small.create(engine, warmup="bogus")


def test_the_key_of_2_5_says_how_vectors_are_warmed_up() -> None:
    config, warnings = configure({"queryNode.cache.warmup": "async"})
    assert (config.text(WARM_UP + "vectorField"), warnings) == ("async", [])
