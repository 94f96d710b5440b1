"""What a user writes, and what is said where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_workflows import Digits, cultivars

from infernet.errors import InvalidInput
from infernet.workflows.workflow import load_workflow, parse_parameters, read_parameters

GOOD = """
from infernet.workflows import TrainingWorkflow, training

class One(TrainingWorkflow):
    name, target = "one", "y"
    def load(self): ...
    def train(self, rows, C=1.0): ...

@training(name="two", target="y", load=lambda: None, metric="f1")
def two(rows, depth=2): ...
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flow.py"
    path.write_text(GOOD)
    return path


def test_classes_and_functions_of_a_file_are_found_by_name(file: Path) -> None:
    one, two = load_workflow(file, "one"), load_workflow(file, "two")
    assert (one.name, one.metric, read_parameters(one)) == ("one", "accuracy", {"C": 1.0})
    assert (two.name, two.metric, read_parameters(two)) == ("two", "f1", {"depth": 2})
    assert one.file == two.file == file
    assert one.code == GOOD


def test_a_workflow_of_a_function_is_still_the_function() -> None:
    from infernet.workflows import Table
    from infernet.workflows.data import build_rows

    rows = build_rows(Table(cultivars.load()), "target")  # type: ignore[arg-type]
    assert cultivars(rows, depth=1).get_depth() == 1  # type: ignore[operator]
    assert cultivars.__doc__ == "A workflow of two functions."


@pytest.mark.parametrize(
    ("text", "name", "code", "words"),
    [
        (GOOD, None, "workflow.several", "has one, two: choose one with --workflow"),
        (GOOD, "three", "workflow.none", "no workflow 'three'"),
        ("x = 1\n", None, "workflow.none", "no TrainingWorkflow"),
        ("x = 1\nimport nothing_like_it\n", None, "workflow.broken", "line 2: ModuleNotFoundError"),
        ("def f(:\n", None, "workflow.broken", "SyntaxError"),
        (GOOD.replace('name, target = "one", "y"', 'name = "one"'), None, "workflow.incomplete", "One has no target"),
        (GOOD.replace('metric="f1"', 'metrik="f1"'), None, "workflow.broken", "no setting 'metrik'"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path: Path, text: str, name: str | None, code: str, words: str) -> None:
    path = tmp_path / "flow.py"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words) as refused:
        load_workflow(path, name)
    assert refused.value.code == code


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        load_workflow(tmp_path / "none.py")


def test_parameters_are_read_as_their_defaults_are() -> None:
    assert parse_parameters(Digits(), {"depth": "9"}) == {"depth": 9}
    assert parse_parameters(cultivars, {"criterion": "entropy"}) == {"depth": 2, "criterion": "entropy"}
    with pytest.raises(InvalidInput, match="depth='deep' is no int"):
        parse_parameters(Digits(), {"depth": "deep"})
    with pytest.raises(InvalidInput, match="no parameter 'size', it has depth"):
        parse_parameters(Digits(), {"size": "1"})


def test_a_parameter_without_a_default_is_refused() -> None:
    class Bare(Digits):
        def train(self, rows: object, size: int) -> object:  # type: ignore[override]
            return size

    with pytest.raises(InvalidInput, match="size of digits's train"):
        read_parameters(Bare())
