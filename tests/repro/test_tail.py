from __future__ import annotations

from pathlib import Path

import pytest

from slowq.errors import InputError
from slowq.repro import tail
from slowq.repro.tail import Tail


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "SETTLE_S", 0.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "standalone-1.log"
    path.write_text("before\n")
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("whole_folder", [False, True])
def test_what_is_written_after_the_beginning_is_read_once(log: Path, whole_folder: bool) -> None:
    followed = Tail(log.parent if whole_folder else log)
    followed.begin()
    append(log, "one\ntwo\n")
    assert followed.read() == b"one\ntwo\n"
    append(log, "three\n")
    assert followed.read() == b"three\n"
    append(log, "of another\n")
    followed.begin()
    assert followed.read() == b""


def test_a_line_that_is_still_being_written_waits(log: Path) -> None:
    followed = Tail(log)
    followed.begin()
    append(log, "one\nhalf")
    assert followed.read() == b"one\n"
    append(log, " and half\n")
    assert followed.read() == b"half and half\n"


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_rotated_file_is_followed_under_its_new_name(log: Path, whole_folder: bool) -> None:
    followed = Tail(log.parent if whole_folder else log)
    followed.begin()
    append(log, "last of the old\n")
    log.rename(log.with_name("standalone-1-2026-11-26T14-00-00.000.log"))
    log.write_text("first of the new\n")
    (log.parent / "standalone-1-2026-11-26T13-00-00.000.log.gz").write_bytes(b"\x1f\x8b\n")
    assert followed.read() == b"last of the old\nfirst of the new\n"


def test_a_file_that_is_emptied_where_it_is_is_read_from_its_beginning(log: Path) -> None:
    append(log, "much more than comes after it\n")
    followed = Tail(log)
    followed.begin()
    log.write_text("new\n")
    assert followed.read() == b"new\n"


def test_files_of_a_folder_come_once_also_where_a_link_names_them_again(tmp_path: Path) -> None:
    (tmp_path / "pods").mkdir()
    first, second = tmp_path / "proxy-1.log", tmp_path / "pods" / "querynode-2.log"
    first.write_text("")
    second.write_text("")
    (tmp_path / "current").symlink_to(first)
    followed = Tail(tmp_path)
    followed.begin()
    append(first, "of the proxy\n")
    append(second, "of the node\n")
    assert sorted(followed.read().splitlines()) == [b"of the node", b"of the proxy"]


def test_what_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing"):
        Tail(tmp_path / "missing")
    with pytest.raises(InputError, match="there is no file"):
        Tail(tmp_path)
