"""The keys of milvus.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from slowq import engine
from slowq.engine.config import DEFAULTS, configure, load_config
from slowq.engine.pools import AtOnce, at_once
from slowq.errors import UsageError


def test_nested_and_dotted_keys_replace_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "milvus.yaml"
    path.write_text("queryNode:\n  grouping:\n    maxNQ: 7\ndataCoord.segment.maxSize: 3\n")
    config, warnings = load_config(path)
    assert dict(config.values) == {**DEFAULTS, "queryNode.grouping.maxNQ": 7, "dataCoord.segment.maxSize": 3}
    assert warnings == []


def test_an_unknown_key_is_a_warning_that_names_it() -> None:
    config, warnings = configure({"etcd": {"endpoints": ["x"]}}, "milvus.yaml")
    assert config.values == DEFAULTS
    assert warnings == ["milvus.yaml: the engine does not know the key 'etcd.endpoints'; it is ignored"]


@pytest.mark.parametrize(
    "key",
    [
        "dataCoord.segment.diskSegmentMaxSize",
        "dataCoord.segment.sealProportionJitter",
        "dataCoord.segment.maxBinlogFileNumber",
        "dataCoord.compaction.clustering.minInterval",
        "queryNode.scheduler.cpuRatio",
    ],
)
def test_what_the_documentation_says_only_warns_does(key: str) -> None:
    assert f"`{key}`" in (Path(engine.__file__).parents[2] / "docs/engine.md").read_text(encoding="utf-8")
    assert len(configure({key: 1})[1]) == 1


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("queryNode.enableSegmentPrune", "yes", "true or false"),
        ("queryNode.grouping.maxNQ", 1.5, "a whole number"),
        ("queryNode.grouping.maxNQ", True, "a whole number"),
        ("queryNode.grouping.maxNQ", -1, "a whole number"),
        ("dataCoord.segment.sealProportion", 5, "a number from 0 to 1"),
        ("dataCoord.segment.sealProportion", float("nan"), "a number from 0 to 1"),
        ("dataCoord.compaction.clustering.newDataSizeThreshold", "lots", "a size such as 512m"),
        ("proxy.slowQuerySpanInSeconds", "1s", "a number"),
        ("queryNode.scheduler.scheduleReadPolicy.name", "lifo", "one of fifo, user-task-polling"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_it(key: str, value: object, wanted: str) -> None:
    with pytest.raises(UsageError) as error:
        configure({key: value}, "milvus.yaml")
    assert str(error.value) == f"milvus.yaml: {key} is {value!r}, expected {wanted}"


@pytest.mark.parametrize(
    ("given", "cpus", "expected"),
    [
        ({}, 1, AtOnce(builds=1, build_threads=1, compactions=10, loads=5)),
        ({}, 8, AtOnce(builds=1, build_threads=6, compactions=10, loads=40)),
        (
            {
                "indexNode.scheduler.buildParallel": 3,
                "common.buildIndexThreadPoolRatio": 1.0,
                "dataCoord.compaction.maxParallelTaskNum": 2,
                "common.threadCoreCoefficient.middlePriority": 0,
            },
            4,
            AtOnce(builds=3, build_threads=4, compactions=2, loads=1),
        ),
        ({"dataCoord.compaction.maxParallelTaskNum": 50}, 1, AtOnce(1, 1, 10, 5)),
    ],
)
def test_pools_have_the_sizes_that_milvus_gives_them(given: dict[str, object], cpus: int, expected: AtOnce) -> None:
    assert at_once(configure(given)[0], cpus) == expected


@pytest.mark.parametrize(("text", "size"), [("512m", 512 << 20), ("2GB", 2 << 30), ("1.5k", 1536), ("77", 77)])
def test_sizes_have_units(text: str, size: int) -> None:
    key = "dataCoord.compaction.clustering.newDataSizeThreshold"
    assert configure({key: text})[0].size_bytes(key) == size


def test_a_file_that_is_no_mapping_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read the configuration .*none\.yaml"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match=r"list\.yaml: expected keys like those of milvus\.yaml, found list"):
        load_config(tmp_path / "list.yaml")


def test_every_key_is_read_by_the_engine() -> None:
    root = Path(engine.__file__).parent
    code = "".join(path.read_text() for path in root.rglob("*.py") if path.name != "config.py")
    assert [key for key in DEFAULTS if f'"{key}"' not in code] == []
