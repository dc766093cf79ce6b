import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slowq.config import Config
from slowq.errors import UsageError
from slowq.findings import Clear
from slowq.own_rules import load, of_config, skeleton
from slowq.rules import ALL
from slowq.triage import diagnose
from tests.builders import case, fired, many, needs, query, search

NAME = "large_page"
CHECK = "    def check(self, case: Case) -> Outcome:\n"


def folder(tmp_path: Path, text: str, name: str = NAME) -> Path:
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def answering(expression: str) -> str:
    """The skeleton, with another answer."""
    return skeleton.rule(NAME).replace(CHECK, f"{CHECK}        return {expression}\n")


def test_a_file_with_one_rule_class_is_a_rule(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path, skeleton.rule(NAME)))
    assert [(one.about.id, one.about.cause) for one in loaded.rules] == [(NAME, "heavy_workload")]
    assert loaded.unusable == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NAME}.py"]


def test_the_rule_of_the_skeleton_fires_is_clear_and_is_skipped(tmp_path: Path) -> None:
    (rule,) = load(folder(tmp_path, skeleton.rule(NAME))).rules
    incident = case(many(9, search(params={"topk": 5000})), search(300.0, params={"topk": 10}))
    found = fired(rule.check(incident))
    assert (found.cause, found.sub_cause, found.confidence) == ("heavy_workload", NAME, 0.51)
    assert found.summary == "Slow requests ask for up to 5,000 results."
    assert found.remedies[0].do.startswith("Ask for one page of results of products,")
    assert rule.check(case(search(params={"topk": 1000}))) == Clear("no slow request asks for more than 1,000 results")
    assert needs(rule.check(case(query()))) == ("the limit of the slow requests",)


def test_the_skeleton_of_a_test_passes_as_it_is(tmp_path: Path) -> None:
    folder(tmp_path, skeleton.rule(NAME))
    folder(tmp_path, skeleton.test(NAME), f"test_{NAME}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["case", "none", "rule", "finding", "x2"])
def test_the_skeleton_of_any_name_is_a_rule(tmp_path: Path, name: str) -> None:
    assert [one.about.id for one in load(folder(tmp_path, skeleton.rule(name), name)).rules] == [name]


def test_files_that_are_no_rules_are_left_alone(tmp_path: Path) -> None:
    for name in ("_shared", "test_large_page", "conftest"):
        folder(tmp_path, "raise ValueError", name)
    (tmp_path / "notes.txt").write_text("raise ValueError")
    assert load(tmp_path).rules == ()
    assert load(tmp_path).unusable == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "x = ", "SyntaxError: invalid syntax (large_page.py:1)"),
        (lambda text: "import sys\nsys.exit(3)", "SystemExit: 3 (large_page.py:2)"),
        (lambda text: "", "a file holds one class with a method check, and this holds 0 (large_page.py)"),
        (lambda text: text + "\nclass Other(LargePageRule):\n    pass\n", "and this holds 2"),
        (lambda text: text.replace("frozen=True, ", ""), "LargePageRule is no frozen dataclass"),
        (
            lambda text: text.replace('id="large_page"', 'id="page"'),
            "about.id is 'page', and the file is called 'large_",
        ),
        (
            lambda text: text.replace('"heavy_workload"', '"workload"'),
            "the cause of 'large_page' is 'workload', and not",
        ),
        (lambda text: text.partition('"""\n\n')[2], "the file has no docstring"),
        (lambda text: text.replace("ClassVar[About] = ABOUT", "ClassVar[str] = ''"), "has no `about` that is an About"),
        (lambda text: text.replace("needs=(", "needs=() and ("), "about.needs is no tuple of Need, or is empty"),
    ],
)
def test_a_file_that_holds_no_rule_is_told(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    loaded = load(folder(tmp_path, change(skeleton.rule(NAME))))
    assert loaded.rules == ()
    ((name, broken),) = loaded.unusable
    assert name == NAME
    assert said in broken.error


@pytest.mark.parametrize("name", ["large_nq", "critical", "heavy_workload", "Large", "2much", "größe", "a-b"])
def test_a_name_that_is_taken_or_no_name_is_refused(tmp_path: Path, name: str) -> None:
    loaded = load(folder(tmp_path, skeleton.rule(name), name))
    assert [one for one, _ in loaded.unusable] == [name]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("None", "TypeError: check answered None, and not a Finding, Clear or Skipped"),
        ("1 / 0", "ZeroDivisionError: division by zero (large_page.py:"),
        ("exit(1)", "SystemExit: 1"),
    ],
)
def test_a_rule_that_fails_is_broken_and_ends_nothing(tmp_path: Path, expression: str, said: str) -> None:
    own = load(folder(tmp_path, answering(expression)))
    incident = case(search(100, 70.0, nq=16_000))
    told = diagnose(incident, (*ALL, *own.rules), own.unusable)
    ((name, broken),) = told.broken
    assert name == NAME
    assert said in broken.error
    assert told.findings == diagnose(incident).findings


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "about,\n            case",
            "about.__class__('large_nq', 'It.', (), ()),\n            case",
            "is of heavy_workload/",
        ),
        ("evidence=[seen(", "evidence=['words'] or [seen(", "evidence is made of Evidence"),
        (
            "            culprits,\n            conf",
            "            culprits,\n            explains_share=3,\n            conf",
            "3",
        ),
    ],
)
def test_a_finding_that_no_report_can_show_is_broken(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = skeleton.rule(NAME)
    assert before in text
    own = load(folder(tmp_path, text.replace(before, after)))
    told = diagnose(case(search(params={"topk": 5000})), own.rules)
    assert told.findings == ()
    assert said in told.broken[0][1].error


def test_the_folder_is_seen_from_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    folder(tmp_path / "house", skeleton.rule(NAME))
    config = Config(str(tmp_path / "slowq.toml"), {"rules.folder": "house"}, {"rules.folder": 2})
    assert [one.about.id for one in of_config(config).rules] == [NAME]


def test_a_folder_that_is_not_there_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    config = Config(str(tmp_path / "slowq.toml"), {"rules.folder": "house"}, {"rules.folder": 2})
    with pytest.raises(UsageError) as raised:
        of_config(config)
    assert raised.value.message == (
        f"{tmp_path}/slowq.toml:2: rules.folder = 'house': there is no folder '{tmp_path}/house'"
    )
