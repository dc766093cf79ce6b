"""Which files are read, in which order, and of which node they tell."""

import os
from pathlib import Path

import pytest

from slowq.errors import InputError
from slowq.sources import Source, find, members
from slowq.sources.paths import node_of, rotation_key
from slowq.sources.streams import Trouble


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x\n")


def found(folder: Path, *patterns: str) -> list[str]:
    return [os.path.relpath(source.path, folder) for source in find(str(folder / pattern) for pattern in patterns)]


@pytest.mark.parametrize(
    "oldest_first",
    [
        (
            "proxy-7-2025-08-23T18-00-00.000.log",
            "proxy-7-2025-08-23T19-00-00.000.log.gz",
            "proxy-7-2025-08-23T19-00-00.001.log",
            "proxy-7.log",
        ),
        ("milvus.log.10.gz", "milvus.log.2", "milvus.log.1", "milvus.log"),
        ("pod-0-pre.log", "pod-0.log"),
        ("pod_log_previous/pod-0.log", "pod_log/pod-0.log"),
        ("milvus-20250822.log.zst", "milvus-20250823.log", "milvus.log"),
        ("milvus.log-2025-08-22", "milvus.log-2025-08-23.bz2", "milvus.log"),
        ("access.2025-08-23T19-00-00.000.log", "access.log"),
        ("a.log", "b.log.1", "b.log", "c/a.log"),
    ],
)
def test_rotated_files_come_oldest_first(tmp_path: Path, oldest_first: tuple[str, ...]) -> None:
    put(tmp_path, *sorted(oldest_first))
    assert found(tmp_path, ".") == [*oldest_first]
    assert found(tmp_path, *reversed(oldest_first)) == [*oldest_first]


@pytest.mark.parametrize(
    ("path", "node"),
    [
        (
            "/var/log/pods/milvus_prod-milvus-proxy-84d9c6b7f5-4kq2z_0b5a1c0e-7a51/proxy/0.log",
            "prod-milvus-proxy-84d9c6b7f5-4kq2z",
        ),
        ("logs/pod_log/prod-milvus-querynode-1-5d8f.log", "prod-milvus-querynode-1-5d8f"),
        ("logs/pod_log_previous/prod-milvus-proxy-84d9.log", "prod-milvus-proxy-84d9"),
        ("logs.tar.gz!dir/pod_log/prod-milvus-proxy-84d9.log", "prod-milvus-proxy-84d9"),
        ("logs.tar.gz!./pod_log/prod-milvus-proxy-84d9.log.gz", "prod-milvus-proxy-84d9"),
        ("my-release-milvus-proxy-7b9d8c6f5d-abcde-pre.log", "my-release-milvus-proxy-7b9d8c6f5d-abcde"),
        ("proxy-7.log", "proxy-7"),
        ("proxy-7.log.gz", "proxy-7"),
        ("proxy-7-2025-08-23T19-00-00.000.log", "proxy-7"),
        ("standalone.log", "standalone"),
        ("standalone.log.3.gz", "standalone"),
        ("milvus.log", None),
        ("app.log", None),
        ("-", None),
        ("", None),
    ],
)
def test_the_node_is_told_by_the_files_name(path: str, node: str | None) -> None:
    assert node_of(path) == node


def test_any_name_has_a_key_and_perhaps_a_node() -> None:
    for name in (
        "",
        "/",
        "!",
        "a!",
        "..",
        "-pre.log",
        ".log.1",
        "\udcff.log",
        "a\nb.log",
        "proxy" * 2000,
        "/".join("_" * 99),
    ):
        assert rotation_key(name) <= rotation_key(name)
        assert node_of(name) is None or node_of(name)


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "a.log", "b/c.log")
    (tmp_path / "link.log").symlink_to("a.log")
    assert len(found(tmp_path, "a.log", "./a.log", "b/../a.log", "*.log", "link.log", ".", "b")) == 2


def test_hidden_names_are_left_out_and_links_to_folders_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "a.log", ".hidden.log", ".git/b.log", "sub/c.log")
    (tmp_path / "sub" / "circle").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "gone.log").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path, ".") == ["a.log", "sub/c.log"]


def test_standard_input_counts_once() -> None:
    assert find(["-", "-"]) == [Source("-")]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("missing.log", "no such file or folder: '{}/missing.log'"),
        ("*.gz", "nothing matches '{}/*.gz'"),
        ("empty", "no files in the folder '{}/empty'"),
        ("e*y", "no files in the folders that match '{}/e*y'"),
        ("a\0b", "no such file or folder: '{}/a\\x00b'"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, pattern: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        find([f"{tmp_path}/{pattern}"])
    assert caught.value.message == message.format(tmp_path)


def test_names_with_glob_characters_are_taken_as_they_are(tmp_path: Path) -> None:
    put(tmp_path, "[2025].log", "2.log")
    assert found(tmp_path, "[2025].log") == ["[2025].log"]
    assert found(tmp_path, "[0-9].log") == ["2.log"]


def test_a_file_that_vanishes_while_the_folder_is_listed_is_trouble_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.log", "b.log")
    stat, calls = os.stat, []

    def vanishing(path: object, *args: object, **more: object) -> os.stat_result:
        if str(path).endswith("a.log"):
            calls.append(path)
            if len(calls) > 1:  # it was there a moment ago
                raise FileNotFoundError(2, "No such file or directory")
        return stat(path, *args, **more)

    monkeypatch.setattr(os, "stat", vanishing)
    first, second = find([str(tmp_path)])
    assert [*members(first)] == [Trouble(str(tmp_path / "a.log"), "No such file or directory")]
    assert second == Source(str(tmp_path / "b.log"), 2)


def test_a_folder_that_cannot_be_listed_is_trouble_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.log", "secret/b.log")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    troubles = [one for source in find([str(tmp_path)]) for one in members(source) if isinstance(one, Trouble)]
    assert troubles == [Trouble(str(tmp_path / "secret"), "Permission denied")]
