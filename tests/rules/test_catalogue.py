"""Contracts that hold for every rule: its file, its documentation, its remedies, its needs, its thresholds."""

import ast
import dataclasses
import importlib
import re
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

import slowq.rules
from slowq.errors import UsageError
from slowq.findings import CAUSES, Remedy, Skipped
from slowq.rule import Rule
from slowq.rules import ALL, by_id
from tests.builders import case

IDS = [sub_cause for sub_causes in CAUSES.values() for sub_cause in sub_causes]
HEADINGS = ["Symptom", "Cause", "How we tell", "Not this when"]
PROSE = ("do", "because", "cost", "verify")
YAML_MARK = "# milvus.yaml\n"

# The names that an incident can put into a remedy.
VOCABULARY = {
    *("collection", "database", "field", "vector_field", "json_path", "filter", "dim"),
    *("nq", "batch_nq", "top_k", "index_type", "metric_type", "ef", "nprobe", "search_list", "level"),
    *("version", "fixed_in", "node", "param", "value", "suggested", "replicas"),
}
HOSTILE: list[object] = [
    'it\'s "quoted"',
    "line\nbreak\r\n",
    "back`tick` and \\ slash",
    "$collection ${field} $$ $",
    '"""); import os; os.system("true") #',
    "{curly} %s \x00 \u2028",
    "",
    16384,
    0.5,
    None,
]
# The sections of a context file, from the contract.
CONTEXT_KEYS = {
    *("milvus", "hardware", "config", "collections", "totals", "dependencies", "client", "server"),
    *("observations", "observations_per_node", "events", "pattern", "requests", "notes"),
}

every_rule = pytest.mark.parametrize("rule", ALL, ids=IDS)
every_remedy = pytest.mark.parametrize(
    "remedy",
    [pytest.param(remedy, id=f"{rule.about.id}-{remedy.key}") for rule in ALL for remedy in rule.about.remedies],
)


def documentation(rule: Rule) -> str:
    text = importlib.import_module(type(rule).__module__).__doc__
    assert text is not None
    return text


def structure(snippet: str) -> str:
    """The syntax tree of a snippet with its literals left out: what no name may change."""
    tree = ast.parse(snippet)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = None
    return ast.dump(tree)


def test_there_is_one_rule_for_every_sub_cause_in_the_order_of_the_contract() -> None:
    assert [rule.about.id for rule in ALL] == IDS


def test_there_is_one_file_for_every_rule() -> None:
    folder = Path(slowq.rules.__file__).parent
    assert sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__") == sorted(IDS)


@every_rule
def test_a_rule_lives_in_the_file_of_its_name(rule: Rule) -> None:
    assert type(rule).__module__ == f"slowq.rules.{rule.about.id}"
    assert type(rule).__name__ == rule.about.id.title().replace("_", "")


@every_rule
def test_the_cause_of_a_rule_is_that_of_the_contract(rule: Rule) -> None:
    assert rule.about.id in CAUSES[rule.about.cause]


@every_rule
def test_the_title_is_a_sentence_and_opens_the_documentation(rule: Rule) -> None:
    title = rule.about.title
    assert re.fullmatch(r"[A-Z][^\n]{20,110}\.", title)
    assert documentation(rule).splitlines()[:2] == [title, ""]


@every_rule
def test_the_documentation_has_the_four_headings_in_order_with_text_below_each(rule: Rule) -> None:
    lines = documentation(rule).splitlines()
    headings = [line for line in lines[1:] if line and not line.startswith(" ")]
    assert headings == HEADINGS
    for heading in HEADINGS:
        assert lines[lines.index(heading) + 1].startswith("    ")


@every_rule
def test_the_documentation_is_neither_a_note_nor_an_essay(rule: Rule) -> None:
    assert 15 <= len(documentation(rule).splitlines()) <= 40


@every_rule
def test_the_documentation_says_when_the_rule_cannot_judge(rule: Rule) -> None:
    assert "skipped" in documentation(rule)


@every_rule
def test_rules_that_the_documentation_points_to_exist(rule: Rule) -> None:
    # "(consistency_wait, timetick_stall)": words with an underscore alone in brackets are names of rules
    for group in re.findall(r"\(([a-z_]+(?:, [a-z_]+)*)\)", " ".join(documentation(rule).split())):
        assert {name for name in group.split(", ") if "_" in name} <= set(IDS)


@every_rule
def test_a_rule_offers_two_to_six_remedies_with_keys_of_their_own(rule: Rule) -> None:
    keys = [remedy.key for remedy in rule.about.remedies]
    assert 2 <= len(keys) <= 6
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", key) for key in keys)


@every_rule
@pytest.mark.parametrize("version", [(2, 3, 5), (2, 4, 24), (2, 5, 27), (2, 6, 22), (3, 0, 0)], ids=str)
def test_at_least_one_remedy_holds_for_any_version(rule: Rule, version: tuple[int, int, int]) -> None:
    assert any(
        (remedy.since is None or version >= remedy.since) and (remedy.before is None or version < remedy.before)
        for remedy in rule.about.remedies
    )


@every_remedy
def test_every_part_of_a_remedy_is_a_sentence(remedy: Remedy) -> None:
    for part in PROSE:
        assert re.fullmatch(r"\S[^\n]*\S\.", getattr(remedy, part)), part


@every_remedy
def test_what_to_do_is_one_imperative_sentence(remedy: Remedy) -> None:
    assert re.match(r"[A-Z][a-z]+,? ", remedy.do)
    assert ". " not in remedy.do


@every_remedy
def test_remedies_speak_of_the_incident_in_known_names_only(remedy: Remedy) -> None:
    for part in (*PROSE, "snippet"):
        template = Template(getattr(remedy, part))
        assert template.is_valid(), part
        assert set(template.get_identifiers()) <= VOCABULARY, part


@every_remedy
def test_no_name_can_change_what_a_snippet_does(remedy: Remedy) -> None:
    plain = remedy.filled(dict.fromkeys(VOCABULARY, "plain")).snippet
    for name in HOSTILE:
        snippet = remedy.filled(dict.fromkeys(VOCABULARY, name)).snippet
        if snippet.startswith(YAML_MARK):
            assert yaml.safe_load(snippet) == yaml.safe_load(plain)
        else:
            assert structure(snippet) == structure(plain), name


@every_remedy
def test_yaml_snippets_hold_settings_and_no_placeholder(remedy: Remedy) -> None:
    if remedy.snippet.startswith(YAML_MARK):
        assert "$" not in remedy.snippet
        assert isinstance(yaml.safe_load(remedy.snippet), dict)


@every_remedy
def test_snippets_can_be_pasted(remedy: Remedy) -> None:
    assert remedy.snippet == remedy.snippet.lstrip()
    assert not remedy.snippet or remedy.snippet.endswith("\n")
    assert max((len(line) for line in remedy.snippet.splitlines()), default=0) <= 120


@every_remedy
def test_version_bounds_are_releases_in_order(remedy: Remedy) -> None:
    for bound in (remedy.since, remedy.before):
        assert bound is None or ((2, 0, 0) <= bound <= (3, 1, 0) and len(bound) == 3)
    if remedy.since is not None and remedy.before is not None:
        assert remedy.since < remedy.before


@every_remedy
def test_a_remedy_bears_no_receipt_until_one_is_measured(remedy: Remedy) -> None:
    assert remedy.receipt is None


@every_rule
def test_a_rule_names_one_or_two_needs_and_how_to_supply_them(rule: Rule) -> None:
    assert 1 <= len(rule.about.needs) <= 2
    for need in rule.about.needs:
        assert need.what
        assert re.search(r"--context|\blogs?\b|\bmilvus_[a-z_]+\b", need.how_to_supply)


@every_rule
def test_the_context_examples_in_the_needs_are_yaml_with_keys_of_the_contract(rule: Rule) -> None:
    examples = [
        example
        for need in rule.about.needs
        for example in re.findall(r"`([^`]+)`", need.how_to_supply)
        if ": " in example
    ]
    assert examples
    for example in examples:
        assert set(yaml.safe_load(example)) <= CONTEXT_KEYS, example


@every_rule
def test_what_a_rule_asks_for_lets_it_judge(rule: Rule) -> None:
    """Beside a slow search with a filter, as most logs have it."""
    facts: dict[str, Any] = {
        "requests": [{"kind": "search", "nq": 1, "top_k": 10, "filter": "tag == 1", "duration_s": 5.2}]
    }
    for need in rule.about.needs:
        for example in re.findall(r"`([^`]+: [^`]+)`", need.how_to_supply):
            for key, told in yaml.safe_load(example).items():
                facts[key] = {**facts.get(key, {}), **told} if isinstance(told, dict) else [*facts.get(key, []), *told]
    assert not isinstance(rule.check(case(facts=yaml.safe_dump(facts))), Skipped)


@every_rule
def test_a_rule_is_a_frozen_dataclass_whose_fields_are_thresholds_with_a_meaning(rule: Rule) -> None:
    assert dataclasses.is_dataclass(rule)
    assert type(rule).__dataclass_params__.frozen
    for field in dataclasses.fields(rule):
        assert isinstance(field.default, int | float), field.name
        assert field.default > 0, field.name
        assert len(field.metadata["meaning"]) > 20, field.name


@every_rule
def test_a_rule_is_found_by_its_name(rule: Rule) -> None:
    assert by_id(rule.about.id) is rule


def test_an_unknown_name_is_answered_with_names_that_come_close() -> None:
    with pytest.raises(UsageError) as raised:
        by_id("growing-segment")
    assert raised.value.message == "no rule 'growing-segment'"
    assert raised.value.hint is not None
    assert "growing_segments" in raised.value.hint


def test_a_name_that_comes_close_to_nothing_is_answered_with_all_names() -> None:
    with pytest.raises(UsageError) as raised:
        by_id("!")
    assert raised.value.hint is not None
    assert all(name in raised.value.hint for name in IDS)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("heavy_workload", ["batches of", "Add query nodes", "replica_number", "clustering key"]),
        (
            "inefficient_filter",
            [
                "as one IN list",
                "filter_params",
                "expr_params",
                "INVERTED",
                "BITMAP",
                "STL_SORT",
                "json_path",
                "flat JSON index",
                "JSON shredding",
                "NGRAM",
                '"Bounded"',
                '"Eventually"',
                "clustering key",
            ],
        ),
        (
            "wrong_index",
            ["HNSW", "IVF_FLAT", "DISKANN", "MINHASH_LSH", "MHJACCARD", "mmap", "warmup", "NVMe", "ef", "nprobe"],
        ),
        (
            "runtime_contention",
            [
                "off peak",
                "Release the collections",
                "batches",
                "Upgrade",
                "resource group",
                "more cores",
                "autoBalance",
                "mmap",
            ],
        ),
    ],
    ids=["heavy_workload", "inefficient_filter", "wrong_index", "runtime_contention"],
)
def test_every_fix_of_the_milvus_guide_has_its_place_in_the_advice(cause: str, words: list[str]) -> None:
    advice = "\n".join(
        getattr(remedy, part)
        for rule in ALL
        if rule.about.cause == cause
        for remedy in rule.about.remedies
        for part in (*PROSE, "snippet")
    )
    assert [word for word in words if word not in advice] == []
