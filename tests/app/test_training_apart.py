"""What a training in a process of its own says is what one in this process says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from needs import need_module

from infernet.app.training import FOREST, load_held_out_apart, train_digits_apart, train_texts_apart
from infernet.errors import NodeMisconfigured
from infernet.workflows.digits import train_digits
from infernet.workflows.preparation import prepare
from infernet.workflows.texts import train_texts
from infernet.workflows.workflow import load_workflow

pytestmark = pytest.mark.slow


async def test_digits_are_the_same_apart(tmp_path: Path) -> None:
    need_module("sklearn")
    apart, here = await train_digits_apart(tmp_path / "apart"), train_digits(tmp_path / "here")
    assert (apart.manifest, apart.accuracy, apart.folder) == (here.manifest, here.accuracy, tmp_path / "apart")
    for ours, theirs in ((apart.pixels, here.pixels), (apart.labels, here.labels)):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


async def test_texts_are_the_same_apart(tmp_path: Path) -> None:
    need_module("sklearn")
    apart, here = await train_texts_apart(tmp_path / "apart"), train_texts(tmp_path / "here")
    for name in ("embedder", "classifier", "texts", "chapters", "accuracy"):
        assert getattr(apart, name) == getattr(here, name)


async def test_held_out_rows_are_the_same_apart(tmp_path: Path) -> None:
    need_module("sklearn")
    apart, here = await load_held_out_apart(tmp_path / "apart"), prepare(load_workflow(FOREST)).split.held_out
    assert np.array_equal(apart.features, here.matrix())
    assert np.array_equal(apart.target, here.target)


async def test_a_training_that_breaks_says_how(tmp_path: Path) -> None:
    need_module("sklearn")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(NodeMisconfigured, match=r"the training ended with: .*taken"):
        await train_digits_apart(tmp_path / "taken")
