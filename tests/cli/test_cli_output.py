"""`--output`: a file that is there only once it is whole, and never in the place of another one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from slowq.cli.output import opened
from slowq.errors import UsageError


def test_the_result_is_in_the_file_and_nothing_on_the_screen(slowq: Any, log: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.txt"
    done = slowq("analyze", log, "--output", target)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert target.read_text("utf-8").startswith("Diagnosed: JSON filter")
    assert "\x1b" not in target.read_text("utf-8")
    assert os.listdir(tmp_path) == ["report.txt"]


def test_the_name_says_the_format_where_nothing_else_does(slowq: Any, log: Path, tmp_path: Path) -> None:
    slowq("analyze", log, "-o", tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["schema"] == 1
    slowq("analyze", log, "-o", tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text("utf-8").startswith("# ")
    slowq("analyze", log, "-o", tmp_path / "other.md", "--format", "json")
    assert json.loads((tmp_path / "other.md").read_text("utf-8"))["schema"] == 1


@pytest.mark.parametrize("command", ["analyze", "requests"])
def test_an_existing_file_is_kept_without_force(command: str, slowq: Any, log: Path, tmp_path: Path) -> None:
    target = tmp_path / "notes"
    target.write_text("mine")
    done = slowq(command, log, "--output", target)
    assert (done.code, target.read_text()) == (2, "mine")
    assert done.err == f"error: {str(target)!r} exists already\nhint: name another file, or overwrite it with --force\n"
    assert slowq(command, log, "--output", target, "--force").code == 0
    assert target.read_text("utf-8") != "mine"


def test_it_is_refused_before_anything_is_read(slowq: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    assert slowq("analyze", "missing.log", "--output", tmp_path / "notes").code == 2


@pytest.mark.parametrize("name", ["missing/report.txt", "."])
def test_an_unwritable_output_exits_with_2(name: str, slowq: Any, log: Path, tmp_path: Path) -> None:
    done = slowq("analyze", log, "--output", tmp_path / name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: cannot write ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_exits_with_2(slowq: Any, log: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = slowq("analyze", log, "--output", tmp_path / "report.txt")
    tmp_path.chmod(0o700)
    assert done.code == 2
    assert "permission denied" in done.err


def test_a_dash_is_standard_output(slowq: Any, log: Path) -> None:
    assert slowq("analyze", log, "--output", "-").out.startswith("Diagnosed")


def test_a_device_is_written_and_not_replaced(slowq: Any, log: Path) -> None:
    assert slowq("analyze", log, "--output", os.devnull).code == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_link_stays_a_link(slowq: Any, log: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert slowq("analyze", log, "--output", tmp_path / "link.json").code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text("utf-8"))["schema"] == 1


def test_a_failure_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("before")

    def write() -> None:
        with opened(str(target), force=True) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert target.read_text() == "before"
    assert os.listdir(tmp_path) == ["report"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "report"

    def write() -> None:
        with opened(str(target), force=False) as stream:
            stream.write(b"ours")
            target.write_text("theirs")

    with pytest.raises(UsageError, match="exists already"):
        write()
    assert target.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["report"]
