"""Log lines in one JSON document: what Grafana, Loki and Elasticsearch give, whole, cut off, and what only looks like it."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slowq.parsers.read import File, read
from slowq.sources import documents, find

TEXTS = [
    f'[2025/08/23 19:22:{second}.900 +00:00] [INFO] [a.go:1] ["text }}] \\" {second}"]' for second in range(10, 15)
]
GRAFANA = [{"line": text, "timestamp": "1755976939900000000", "fields": {"pod": "proxy-7"}} for text in TEXTS]
LOKI = {
    "status": "success",
    "data": {
        "resultType": "streams",
        "result": [
            {"stream": {"pod": "proxy-7"}, "values": [["1755976939900000000", text] for text in TEXTS[:2]]},
            {"stream": {"pod": "proxy-8"}, "values": [["1755976939900000000", text, {"x": "y"}] for text in TEXTS[2:]]},
        ],
    },
}
ELASTIC = {"took": 3, "hits": {"total": 5, "hits": [{"_source": {"message": text}} for text in TEXTS]}}
KIBANA = {"rawResponse": ELASTIC, "isPartial": False}
SEVERAL = {"took": 9, "responses": [ELASTIC, {"error": "timeout"}]}


def texts(content: bytes | None) -> list[str]:
    """The log lines in what was made of a document."""
    assert content is not None
    entries = [json.loads(line) for line in content.decode().split("\n") if line]
    return [entry["line"] if "line" in entry else entry["_source"]["message"] for entry in entries]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("document", [GRAFANA, LOKI, ELASTIC, KIBANA])
def test_each_entry_of_an_answer_is_a_line(document: object, indent: int | None) -> None:
    content = json.dumps(document, indent=indent).encode()
    assert documents.begins(content[:512])
    assert texts(documents.lines(content)) == TEXTS


@pytest.mark.parametrize("indent", [None, 2])
def test_of_several_answers_one_that_failed_is_a_line_as_well(indent: int | None) -> None:
    content = json.dumps(SEVERAL, indent=indent).encode()
    assert documents.begins(content[:512])
    *answered, failed = (documents.lines(content) or b"").splitlines()
    assert texts(b"\n".join(answered)) == TEXTS
    assert json.loads(failed) == {"error": "timeout"}


def test_labels_of_a_stream_go_with_each_of_its_lines() -> None:
    lines = (documents.lines(json.dumps(LOKI).encode()) or b"").splitlines()
    assert [json.loads(line)["labels"]["pod"] for line in lines] == ["proxy-7"] * 2 + ["proxy-8"] * 3


def test_objects_that_span_lines_are_a_line_each() -> None:
    content = "\n".join(json.dumps(entry, indent="\t") for entry in GRAFANA).encode()
    assert documents.begins(content)
    assert texts(documents.lines(b"\xef\xbb\xbf" + content)) == TEXTS


def test_several_answers_in_a_row_are_read_one_after_the_other() -> None:
    content = "\n".join(json.dumps(part) for part in (GRAFANA[:2], GRAFANA[2:])).encode()
    assert texts(documents.lines(content)) == TEXTS


@pytest.mark.parametrize("document", [GRAFANA, LOKI, ELASTIC])
def test_of_a_document_that_is_cut_off_all_before_the_cut_is_there(document: object) -> None:
    content = json.dumps(document)
    for cut in range(40, len(content), 7):
        found = (documents.lines(content[:cut].encode()) or content[:cut].encode()).decode()
        # The last entry may be whole though its array is not.
        whole = sum(content.find(json.dumps(text)[1:-1]) + len(json.dumps(text)) <= cut for text in TEXTS)
        entries = [
            line for line in found.split("\n") if line.startswith(('{"line"', '{"_source"')) and line.endswith("}")
        ]
        assert whole - 1 <= len(entries) <= whole
        assert found.count("19:22:") == content[:cut].count("19:22:")


@pytest.mark.parametrize(
    "content",
    [
        b'{"status": 200, "path": "/"}\n{"status": 404, "path": "/x"}\n',
        b'{"data": {"message": "a"}}\n',
        b'{"status": "no end',
        b'{"took": 1, "hits": {"hits": []}}\n',
        b"",
    ],
)
def test_what_has_an_object_in_each_line_stays_as_it_is(content: bytes) -> None:
    assert documents.lines(content) is None or documents.lines(content) == content


@given(st.binary(max_size=200) | st.text('[]{}",:\\ \n1a').map(str.encode))
def test_anything_at_all_is_read_or_left(content: bytes) -> None:
    found = documents.lines(content)
    assert found is None or isinstance(found, bytes)


def _read(folder: Path, jobs: int = 1) -> list[File]:
    return list(read(find([str(folder)]), jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_document_is_read_from_files_and_archives(tmp_path: Path, jobs: int) -> None:
    content = json.dumps(GRAFANA).encode()
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(content))
    files = _read(tmp_path, jobs)
    assert [sum(batch.lines for batch in file.batches) for file in files] == [5, 5]
    assert [sum(batch.milvus for batch in file.batches) for file in files] == [5, 5]
    assert set(files[0].batches[0].nodes.values()) == {"proxy-7"}


def test_of_a_document_in_a_damaged_archive_what_came_before_is_read(tmp_path: Path) -> None:
    many = [GRAFANA[0] | {"timestamp": str(number)} for number in range(5_000)]
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(many).encode())[:-9_000])
    (file,) = _read(tmp_path)
    assert file.trouble is not None
    assert "ends in the middle" in file.trouble
    assert sum(batch.milvus for batch in file.batches) > 100


def test_what_is_too_large_for_a_document_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(GRAFANA, indent=1)
    (tmp_path / "a.json").write_text(content)
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    (file,) = _read(tmp_path)
    assert sum(batch.lines for batch in file.batches) == len(content.splitlines())
    assert sum(batch.size_bytes for batch in file.batches) == len(content)
