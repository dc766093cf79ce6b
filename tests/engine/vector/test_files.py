"""Indexes and vectors on disk: what comes back, and what a damaged file says."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from slowq.engine.vector import DamagedError, Vectors, open_index, read_array, write_array
from slowq.engine.vector.files import seal
from tests.engine.vector.rows import CASES, Case, bits, floats, queries_of, random_mask, sparse

DISKANN = next(case for case in CASES if case.kind == "DISKANN")


@pytest.fixture(
    params=[case for case in CASES if case.metric not in ("IP", "JACCARD") or case.kind.startswith("SPARSE")], ids=str
)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.mark.parametrize("mapped", [False, True])
def test_an_index_answers_the_same_from_memory_from_its_files_and_mapped(
    case: Case, mapped: bool, tmp_path: Path
) -> None:
    case.made().save(tmp_path / "index")
    opened = open_index(tmp_path / "index", mmap=mapped)
    assert (opened.kind, opened.metric, opened.rows) == (case.kind, case.metric, case.made().rows)
    assert opened.params == case.made().params
    for mask in (None, random_mask(0.5), random_mask(0.05)):
        before, _ = case.made().search(queries_of(case), 10, case.search, mask)
        after, _ = opened.search(queries_of(case), 10, case.search, mask)
        assert after.offsets.tolist() == before.offsets.tolist()
        assert after.scores.tolist() == before.scores.tolist()


def test_a_mapped_index_answers_the_same_after_it_was_cooled_and_warmed(case: Case, tmp_path: Path) -> None:
    case.made().save(tmp_path / "index")
    mapped = open_index(tmp_path / "index", mmap=True)
    expected = case.made().search(queries_of(case), 10, case.search)[0].offsets.tolist()
    mapped.cool()
    assert mapped.search(queries_of(case), 10, case.search)[0].offsets.tolist() == expected
    on_disk = sum(path.stat().st_size for path in (tmp_path / "index").iterdir())
    assert 0 < mapped.warm() <= on_disk
    assert mapped.search(queries_of(case), 10, case.search)[0].offsets.tolist() == expected


def test_an_index_in_memory_has_nothing_to_warm(tmp_path: Path) -> None:
    DISKANN.made().save(tmp_path / "index")
    opened = open_index(tmp_path / "index")
    opened.cool()
    assert opened.warm() == 0


def test_a_saved_index_can_be_saved_again_and_over_itself(case: Case, tmp_path: Path) -> None:
    case.made().save(tmp_path / "index")
    open_index(tmp_path / "index").save(tmp_path / "index")
    again = open_index(tmp_path / "index")
    expected = case.made().search(queries_of(case), 10, case.search)[0].offsets.tolist()
    assert again.search(queries_of(case), 10, case.search)[0].offsets.tolist() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def damages(size: int) -> list[int]:
    """Places all over a file, its first and last bytes among them."""
    return sorted({0, 1, size // 3, size // 2, size - 60, size - 20, size - 1} & set(range(size)))


@pytest.mark.parametrize("mapped", [False, True])
def test_a_file_that_was_cut_is_an_error_that_names_it(case: Case, mapped: bool, tmp_path: Path) -> None:
    case.made().save(tmp_path / "index")
    for name in sorted(path.name for path in (tmp_path / "index").iterdir()):
        whole = (tmp_path / "index" / name).read_bytes()
        for kept in damages(len(whole)):
            (tmp_path / "index" / name).write_bytes(whole[:kept])
            with pytest.raises(DamagedError, match=name):
                open_index(tmp_path / "index", mmap=mapped)
        (tmp_path / "index" / name).write_bytes(whole)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_flipped_byte_anywhere_is_an_error_that_names_the_file(case: Case, mapped: bool, tmp_path: Path) -> None:
    case.made().save(tmp_path / "index")
    for path in sorted((tmp_path / "index").iterdir()):
        whole = path.read_bytes()
        for place in damages(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
            with pytest.raises(DamagedError, match=path.name):
                open_index(tmp_path / "index", mmap=mapped)
        path.write_bytes(whole)


def test_a_missing_file_is_an_error_that_names_it(case: Case, tmp_path: Path) -> None:
    case.made().save(tmp_path / "index")
    for path in sorted((tmp_path / "index").iterdir()):
        path.rename(tmp_path / "away")
        with pytest.raises(DamagedError, match=path.name):
            open_index(tmp_path / "index")
        (tmp_path / "away").rename(path)


def test_a_save_that_was_broken_off_leaves_the_index_that_was_there(tmp_path: Path) -> None:
    DISKANN.made().save(tmp_path / "index")
    shutil.copytree(tmp_path / "index", tmp_path / "index.part")
    (tmp_path / "index.part" / "about.json").unlink()
    assert open_index(tmp_path / "index").rows == DISKANN.made().rows
    DISKANN.made().save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_an_index_that_is_open_keeps_its_rows_when_it_is_saved_over(tmp_path: Path) -> None:
    DISKANN.made().save(tmp_path / "index")
    opened = open_index(tmp_path / "index", mmap=True)
    expected = opened.search(queries_of(DISKANN), 10, DISKANN.search)[0].offsets.tolist()
    DISKANN.made().save(tmp_path / "index")
    assert opened.search(queries_of(DISKANN), 10, DISKANN.search)[0].offsets.tolist() == expected


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("made", [floats, bits, sparse], ids=lambda made: made.__name__)
def test_vectors_come_back_as_they_were_saved(made, mapped: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    vectors = made()
    vectors.save(tmp_path / "vectors")
    loaded = Vectors.load(tmp_path / "vectors", mmap=mapped)
    assert (loaded.kind, loaded.rows, loaded.dim, loaded.nbytes()) == (
        vectors.kind,
        vectors.rows,
        vectors.dim,
        vectors.nbytes(),
    )
    assert np.array_equal(loaded.data, vectors.data)
    assert loaded.indptr is None or np.array_equal(loaded.indptr, vectors.indptr)
    assert loaded.indices is None or np.array_equal(loaded.indices, vectors.indices)


@pytest.mark.parametrize("mapped", [False, True])
def test_damaged_vectors_are_an_error_that_names_the_file(mapped: bool, tmp_path: Path) -> None:
    floats().save(tmp_path / "vectors.npy")
    whole = (tmp_path / "vectors.npy").read_bytes()
    for place in damages(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            (tmp_path / "vectors.npy").write_bytes(damaged)
            with pytest.raises(DamagedError, match=r"vectors\.npy"):
                Vectors.load(tmp_path / "vectors.npy", mmap=mapped)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(5),
        np.zeros((0, 7), np.float16),
        np.array([True, False]),
        np.zeros((2, 3, 4), np.uint8),
        np.arange(3, dtype=np.uint64),
    ],
)
def test_an_array_comes_back_without_python_s_parser_which_threads_cannot_share(
    array: np.ndarray, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_array(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    monkeypatch.delattr("ast.literal_eval")
    got, _ = read_array(tmp_path / "a.npy", mapped=mapped)
    assert (got.dtype, got.shape, got.tolist()) == (array.dtype, array.shape, array.tolist())


def test_a_file_that_begins_otherwise_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for changed in (b"\x93NUMPX", b"\x93NUMPY\x02\x00", b"\x93NUMPY\x01\x00\xff\xff"):
        write_array(path, np.arange(5))
        data = path.read_bytes()
        body = data[: data.rindex(b"\ncrc32")]
        path.write_bytes(changed + body[len(changed) :])
        seal(path)
        with pytest.raises(DamagedError, match=re.escape(f"{path} is damaged: it does not begin as an array")):
            read_array(path)
