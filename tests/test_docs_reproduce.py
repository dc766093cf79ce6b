from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import yaml

from slowq.repro.scenario import Setup, from_yaml

PAGE = (Path(__file__).parents[1] / "docs" / "reproduce.md").read_text(encoding="utf-8")


def test_every_field_of_a_set_up_has_one_line_in_order_and_no_other_has() -> None:
    table = PAGE[PAGE.index("All three are in these words") : PAGE.index("## The receipt")]
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", table, re.MULTILINE) == [one.name for one in fields(Setup)]


def test_the_scenario_of_the_page_can_be_run(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    made = from_yaml(path)
    assert made.after(made.remedies[0]).scalar_indexes.keys() == {'meta["kind"]'}
    assert yaml.safe_load(text).keys() <= {
        *("name", "rule", "says", "base", "fault", "remedies", "accept", "engine_only", "assumed")
    }


def test_every_option_of_what_if_is_told() -> None:
    from typer.main import get_command

    from slowq.cli import app

    command = get_command(app()).commands["what-if"]  # type: ignore[attr-defined]
    options = {one for param in command.params for one in param.opts if one.startswith("--")}
    untold = {one for one in options if one not in PAGE} - {"--json", "--verbose", "--help"}
    assert untold == set()
