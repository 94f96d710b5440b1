"""Checkpoints: what they hold, how they are kept, and when they are not used."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from needs import need_module
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

from infernet.errors import InvalidInput
from infernet.workflows import Progress
from infernet.workflows.checkpoints import Checkpoint, Saving, decode_checkpoint, encode_checkpoint
from infernet.workflows.drawer import Drawer, choose_folder, discard_old
from infernet.workflows.states import decode_state, encode_state

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
states = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


class Kept:
    """Saves into memory."""

    def __init__(self, found: Checkpoint | None = None, **options: Any) -> None:
        self.contents: list[bytes] = []
        self.saving = Saving(self.contents.append, "run", found=found, **{"every_s": 0.0, **options})

    @property
    def last(self) -> Checkpoint:
        return decode_checkpoint(self.contents[-1])


@given(states)
def test_a_state_comes_back_as_it_was(state: object) -> None:
    again = decode_state(encode_state(state))
    assert again == state
    assert type(again) is type(state)


def test_arrays_and_generators_come_back_bit_for_bit() -> None:
    chance, legacy = np.random.default_rng(3), np.random.RandomState(4)
    chance.normal(size=5)
    legacy.normal()
    array = np.array([[1.5, np.nan], [-0.0, np.inf]], np.float32)[:, ::-1]
    state = {"chance": chance, "legacy": legacy, "array": array, "scalar": np.float32(0.1), "empty": np.zeros((0, 3))}
    again = decode_state(encode_state(state))
    assert again["array"].tobytes() == array.tobytes()
    assert again["array"].dtype == array.dtype
    assert type(again["scalar"]) is np.float32
    assert again["empty"].shape == (0, 3)
    assert again["chance"].normal(size=3).tolist() == chance.normal(size=3).tolist()
    assert again["legacy"].normal(size=3).tolist() == legacy.normal(size=3).tolist()


def test_an_estimator_goes_on_as_if_it_had_never_stopped() -> None:
    features, target = load_digits(return_X_y=True)
    network = MLPClassifier((8,), random_state=0)
    network.partial_fit(features, target, classes=range(10))
    forest = RandomForestClassifier(3, warm_start=True, random_state=0).fit(features, target)
    again = decode_state(encode_state({"network": network, "forest": forest}))
    for one in (network, again["network"]):
        one.partial_fit(features, target)
    assert all(map(np.array_equal, network.coefs_, again["network"].coefs_))
    for one in (forest, again["forest"]):
        one.set_params(n_estimators=6).fit(features, target)
    assert np.array_equal(forest.predict_proba(features), again["forest"].predict_proba(features))


def test_tensors_and_optimizers_come_back() -> None:
    torch = pytest.importorskip("torch", reason="not in requirements.lock, where it brings gigabytes of CUDA")
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    again = decode_state(encode_state(state))
    assert all(torch.equal(value, again["model"][name]) for name, value in model.state_dict().items())
    assert again["half"].dtype == torch.bfloat16
    torch.optim.Adam(model.parameters()).load_state_dict(again["optimizer"])
    moments = optimizer.state_dict()["state"]
    assert torch.equal(again["optimizer"]["state"][0]["exp_avg"], moments[0]["exp_avg"])


def test_a_network_is_trained_on_bit_for_bit() -> None:
    torch = pytest.importorskip("torch", reason="not in requirements.lock, where it brings gigabytes of CUDA")
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32))
    target, kept = (features[:, 0] > 0).long(), Kept()

    def train(progress: Progress, until: int = 10) -> dict[str, Any]:
        torch.manual_seed(0)
        state = progress.restore()
        model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 2))
        optimizer = torch.optim.Adam(model.parameters())
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        for step in progress.track(range(10)):
            if step == until:
                break
            for rows in torch.randperm(256).split(32):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(features[rows]), target[rows]).backward()
                optimizer.step()
            progress.checkpoint({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
        return model.state_dict()

    whole = train(Progress())
    train(Progress(saving=kept.saving), until=6)
    again = train(Progress(saving=Kept(kept.last).saving))
    assert kept.last.at == "6 of 10"
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


class Strange:
    """No value."""


@pytest.mark.parametrize(
    "state", [Strange(), [{"inside": Strange()}], np.array([Strange()]), lambda: 1, {"set": {1}}, Progress]
)
def test_what_would_need_code_is_refused(state: object) -> None:
    with pytest.raises(InvalidInput, match="it keeps numbers, texts") as refused:
        encode_state([state])
    assert refused.value.code == "workflow.checkpoint"


def test_an_estimator_of_a_foreign_class_is_refused() -> None:
    network = MLPClassifier()
    network.extra = Strange()
    with pytest.raises(InvalidInput, match=r"with a .*Strange inside"):
        encode_state(network)


def test_a_checkpoint_that_was_changed_anywhere_is_none() -> None:
    checkpoint = Checkpoint("run", 3, 9, 0, 1.5, {"loss": [(0, 0.5), (1, 0.25)]}, None, encode_state({"a": 1}))
    content = encode_checkpoint(checkpoint)
    assert decode_checkpoint(content) == checkpoint
    for place in random.Random(7).sample(range(len(content)), 60):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="it is"):
            decode_checkpoint(bytes(changed))
        with pytest.raises(ValueError, match="it is"):
            decode_checkpoint(content[:place])


def test_a_training_goes_on_behind_the_step_that_was_kept() -> None:
    kept = Kept()

    def train(progress: Progress, until: int) -> tuple[list[int], list[float]]:
        state = progress.restore({"sum": 0.0})
        np.random.random(3)  # what is drawn before the steps must not matter
        steps = []
        for step in progress.track(range(6)):
            steps.append(step)
            state["sum"] += np.random.random() + random.random()
            progress.report(step, sum=state["sum"])
            progress.checkpoint(lambda: state)
            if step == until:
                break
        return steps, [value for _, value in progress.history["sum"]]

    def seed() -> None:
        random.seed(1)
        np.random.seed(1)

    seed()
    whole = train(Progress(), 5)
    seed()
    train(Progress(saving=kept.saving), 3)
    assert (kept.last.step, kept.last.total, kept.last.at) == (4, 6, "4 of 6")
    seed()
    again = Progress(saving=Kept(kept.last).saving)
    assert train(again, 5) == ([4, 5], whole[1])
    assert again.steps_before == 4
    assert [step for step, _ in again.history["sum"]] == list(range(6))


def test_loops_that_were_over_are_left_out() -> None:
    kept, seen = Kept(), []

    def train(progress: Progress, *, dies: bool) -> None:
        progress.restore()
        for loop in ("first", "second", "third"):
            for step in progress.track(range(3)):
                seen.append((loop, step))
                for _ in progress.track(range(2), "inner"):
                    pass
                progress.checkpoint({})
                if dies and (loop, step) == ("second", 1):
                    return

    train(Progress(saving=kept.saving), dies=True)
    first = len(seen)
    train(Progress(saving=Kept(kept.last).saving), dies=False)
    assert seen[first:] == [("second", 2), ("third", 0), ("third", 1), ("third", 2)]


def test_what_nobody_would_ask_for_and_what_cannot_be_kept_is_said_at_the_first_step() -> None:
    with pytest.raises(InvalidInput, match="without restore"):
        Progress(saving=Kept().saving).checkpoint({})
    progress = Progress(saving=Kept(every_s=3600.0).saving)
    progress.restore()
    with pytest.raises(InvalidInput, match=r"checkpoint\(\) was given a .*Strange"):
        progress.checkpoint(Strange())
    for _ in progress.track(range(1)):
        for _ in progress.track(range(1)):
            with pytest.raises(InvalidInput, match="inner loop"):
                progress.checkpoint({})


def test_trees_that_nobody_would_go_on_from_are_not_kept() -> None:
    lightgbm, kept = need_module("lightgbm"), Kept()
    features, target = load_digits(return_X_y=True)
    for asks in (False, True):
        progress = Progress(saving=kept.saving)
        before = progress.lightgbm_model() if asks else progress.restore()
        model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1, n_jobs=1)
        model.fit(features, target, callbacks=[progress.lightgbm()], init_model=before)
        assert len(kept.contents) == (2 if asks else 0), "none of the last round: there is nothing to go on with"


def test_checkpoints_are_no_more_frequent_than_their_interval_and_their_cost_allow() -> None:
    kept = Kept(every_s=0.05)
    progress = Progress(saving=kept.saving)
    progress.restore()
    end_s = time.monotonic() + 0.5
    asked = 0
    while time.monotonic() < end_s:
        progress.checkpoint({}, step=asked)
        asked += 1
    assert asked > 1000
    assert 1 <= len(kept.contents) <= 10

    slow, cost_s = Kept(every_s=0.001), 0.02
    progress = Progress(saving=slow.saving)
    progress.restore()

    def build() -> dict[str, Any]:
        time.sleep(cost_s)
        return {}

    began_s = time.monotonic()
    for _ in range(30):
        progress.checkpoint(build)
        time.sleep(0.01)
    assert 1 <= len(slow.contents) <= 1 + (time.monotonic() - began_s) / (100 * cost_s)


def test_a_drawer_is_of_one_process_at_a_time(tmp_path: Path) -> None:
    told: list[str] = []
    drawer = Drawer(tmp_path, {"a": 1}, told.append)
    drawer.replace("checkpoint", b"mine")
    other = (
        "import sys; from pathlib import Path; from infernet.workflows.drawer import Drawer\n"
        "drawer = Drawer(Path(sys.argv[1]), {'a': 1}, print)\n"
        "drawer.replace('checkpoint', b'theirs'); print(drawer.read('checkpoint')); drawer.clear()"
    )

    def ask() -> str:
        command = [sys.executable, "-c", other, str(tmp_path)]
        return subprocess.run(command, check=True, text=True, capture_output=True).stdout

    assert ask() == "another process is at the same training: this one begins anew and keeps no checkpoints\nNone\n"
    assert drawer.read("checkpoint") == b"mine"
    drawer.close()
    assert ask() == "b'theirs'\n"
    assert list(tmp_path.iterdir()) == []
    assert told == []


def test_what_others_may_write_to_is_not_read(tmp_path: Path) -> None:
    told: list[str] = []
    drawer = Drawer(tmp_path, {}, told.append)
    drawer.replace("checkpoint", b"mine")
    path = drawer.folder / "checkpoint"
    assert (path.stat().st_mode & 0o777, drawer.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    path.chmod(0o666)
    assert drawer.read("checkpoint") is None
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    assert drawer.read("checkpoint") is None
    drawer.close()
    drawer.folder.chmod(0o777)
    assert Drawer(tmp_path, {}, told.append).read("checkpoint") is None
    assert [line.partition(" is not used: ")[2] for line in told] == [
        "other users may write to it",
        "Too many levels of symbolic links",
        "other users may write to it",
    ]


def test_a_folder_that_cannot_be_written_to_is_one_line_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    drawer = Drawer(tmp_path / "file" / "below", {}, told.append)
    for _ in range(3):
        drawer.replace("checkpoint", b"1")
        drawer.append("trials", b"1")
    (line,) = told
    assert line.startswith("no checkpoint can be kept in")


def test_old_checkpoints_are_thrown_away(tmp_path: Path) -> None:
    for age_days in (1, 40):
        drawer = Drawer(tmp_path, {"age": age_days}, print)
        drawer.replace("checkpoint", b"1")
        drawer.close()
        then_s = time.time() - age_days * 24 * 3600
        for path in (*drawer.folder.iterdir(), drawer.folder):
            os.utime(path, (then_s, then_s))
    discard_old(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == [Drawer(tmp_path, {"age": 1}, print).folder.name]


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFERNET_CHECKPOINTS", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert choose_folder() == tmp_path / "infernet" / "checkpoints"
    monkeypatch.setenv("INFERNET_CHECKPOINTS", str(tmp_path / "own"))
    assert choose_folder() == tmp_path / "own"
