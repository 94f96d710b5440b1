"""The score of a stranger's model: exact, the same for every node, and the lowest for what cannot be judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

from infernet.errors import JobRejected, NodeMisconfigured, RetryLater
from infernet.models import build_onnx_manifest
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.manifest import Manifest, TensorSpec, compute_manifest_hash, encode_manifest
from infernet.workflows.integer_scores import AMOUNT_SCORES, CLASS_SCORES, SCALE, parse_amount, scale_share
from infernet.workflows.scoring import FEATURES_ABI, WORST, load_scoring

Build = Callable[..., Path]
ROWS = [(0.5, -1, 0), (1.5, -2, 1), (2.5, 9, 1), (-3, 0, 1)]
"""The sign of x tells the class of three of four."""


def build_graph(nodes: list[onnx.NodeProto], output: int = TensorProto.INT64, **more: object) -> bytes:
    graph = helper.make_graph(
        nodes,
        "entry",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", output, [None])],
        **more,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def take_first(cast: bool = True) -> list[onnx.NodeProto]:
    """The answer is the first feature, cut to an integer."""
    zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=zero),
        helper.make_node("Gather", ["x", "zero"], ["first" if cast else "y"], axis=1),
    ]
    return [*nodes, helper.make_node("Cast", ["first"], ["y"], to=TensorProto.INT64)] if cast else nodes


SIGN = [
    *take_first(cast=False)[:1],
    helper.make_node("Gather", ["x", "zero"], ["first"], axis=1),
    helper.make_node("Sign", ["first"], ["sign"]),
    helper.make_node("Cast", ["sign"], ["y"], to=TensorProto.INT64),
]


@pytest.fixture
def add(tmp_path: Path) -> Build:
    """A model's folder; the manifest may say something else of it."""

    def build(graph: bytes, name: str = "entry", change: Callable[[Manifest], Manifest] = lambda m: m) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.onnx").write_bytes(graph)
        manifest = change(build_onnx_manifest(folder / "model.onnx", f"acme/{name}:1"))
        (folder / "manifest.json").write_bytes(encode_manifest(manifest))
        return folder

    return build


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    path.write_text("x,z,class\n" + "".join(f"{x},{z},{label}\n" for x, z, label in ROWS))
    return path


class Asking:
    """A judge of a folder, and what it is asked."""

    def __init__(self, root: Path, test_set: Path, **settings: object) -> None:
        usual = {"column": "class", "metric": "accuracy", "decimals": 6, "folders": [str(root)],
                 "private_addresses": True, "max_rows": 100, "max_bytes": 10**6, "memory_bytes": None}  # fmt: skip
        self.run = load_scoring(**{**usual, **settings})  # type: ignore[arg-type]
        self.test_set = test_set

    def score(self, entry: Path | str, manifest_hash: bytes | None = None, test_set: str = "") -> int:
        found = manifest_hash or read_hash(entry)
        digest = hashlib.sha256(self.test_set.read_bytes()).digest()
        asked = [found, str(entry), digest, test_set or str(self.test_set)]
        (score,) = decode_abi(["int256"], self.run(encode_abi(FEATURES_ABI, asked)))
        return int(score)


def read_hash(folder: Path | str) -> bytes:
    return bytes(compute_manifest_hash(Manifest.model_validate_json((Path(folder) / "manifest.json").read_bytes())))


@pytest.fixture
def asking(tmp_path: Path, test_set: Path) -> Asking:
    return Asking(tmp_path, test_set)


def test_the_score_is_the_share_of_right_answers(asking: Asking, add: Build) -> None:
    folder = add(build_graph(SIGN))
    assert asking.score(folder) == SCALE // 2  # 0.5 is 1, not 0; -3 is -1, not 1
    assert asking.score(folder / "manifest.json", read_hash(folder)) == SCALE // 2
    assert asking.score(folder.as_uri(), read_hash(folder)) == SCALE // 2


def test_columns_are_found_by_their_names(asking: Asking, add: Build) -> None:
    def name(columns: tuple[str, ...]) -> Callable[[Manifest], Manifest]:
        return lambda m: m.model_copy(update={"inputs": (m.inputs[0].model_copy(update={"columns": columns}),)})

    assert asking.score(add(build_graph(SIGN), "as-they-are", name(("x", "z")))) == SCALE // 2
    assert asking.score(add(build_graph(SIGN), "swapped", name(("z", "x")))) == SCALE // 4
    assert asking.score(add(build_graph(SIGN), "missing", name(("x", "age")))) == WORST


def test_classes_with_names_are_compared_by_name(tmp_path: Path, add: Build, test_set: Path) -> None:
    test_set.write_text("x,z,class\n1,0,red\n0,0,blue\n1,1,blue\n7,1,red\n")
    classes = ("blue", "red")
    folder = add(
        build_graph(take_first()),
        change=lambda m: m.model_copy(update={"outputs": (m.outputs[0].model_copy(update={"classes": classes}),)}),
    )
    assert Asking(tmp_path, test_set).score(folder) == SCALE // 2


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_amounts_are_rounded_and_errors_count_below_zero(
    tmp_path: Path, add: Build, test_set: Path, metric: str
) -> None:
    truth, answers = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.5, 1.5, 2.5, -3.0])
    folder = add(build_graph(take_first(cast=False), TensorProto.FLOAT))
    score = Asking(tmp_path, test_set, metric=metric).score(folder) / SCALE
    expected = {
        "mae": -mean_absolute_error(truth, answers),
        "rmse": -root_mean_squared_error(truth, answers),
        "r2": r2_score(truth, answers),
    }[metric]
    assert score == pytest.approx(expected, abs=1e-12)


def test_scores_agree_with_scikit_learn_and_are_whole_numbers() -> None:
    rng = np.random.default_rng(5)
    truth, said = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    words, answers = [str(label) for label in truth], [str(label) for label in said]
    assert CLASS_SCORES["accuracy"](words, answers) == Fraction(int((truth == said).sum()), 500)
    balanced = scale_share(CLASS_SCORES["balanced_accuracy"](words, answers)) / SCALE
    assert balanced == pytest.approx(balanced_accuracy_score(truth, said), abs=1e-15)
    f1 = scale_share(CLASS_SCORES["f1"](words, answers)) / SCALE
    assert f1 == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-15)
    assert all(isinstance(score([1, 5], [2, 9], 3), int) for score in AMOUNT_SCORES.values())
    assert [parse_amount(text, 2) for text in ("0.125", "0.135", "-1", "1e3")] == [12, 14, -100, 100_000]
    for text in ("", "nan", "inf", "1e999999999", "9" * 40, "x"):
        with pytest.raises(JobRejected):
            parse_amount(text, 2)


def test_what_cannot_be_judged_has_the_lowest_score(asking: Asking, add: Build, tmp_path: Path) -> None:
    good = add(build_graph(SIGN), "good")
    loop = helper.make_node(
        "Loop", ["m", "c", "x"], ["y"],
        body=helper.make_graph(
            [helper.make_node("Identity", ["c_in"], ["c_out"]), helper.make_node("Identity", ["x_in"], ["x_out"])],
            "body",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("c_in", TensorProto.BOOL, []),
             helper.make_tensor_value_info("x_in", TensorProto.FLOAT, [None, 2])],
            [helper.make_tensor_value_info("c_out", TensorProto.BOOL, []),
             helper.make_tensor_value_info("x_out", TensorProto.FLOAT, [None, 2])],
        ),
    )  # fmt: skip
    bounds = [
        helper.make_tensor("m", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("c", TensorProto.BOOL, [], [True]),
    ]
    chance = helper.make_node("RandomUniformLike", ["x"], ["y"])
    outside = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    outside.ClearField("int64_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/hostname")
    graphs = {
        "endless": build_graph([loop], TensorProto.FLOAT, initializer=bounds),
        "chance": build_graph([chance], TensorProto.FLOAT),
        "amounts": build_graph(take_first(cast=False), TensorProto.FLOAT),
        "one-answer": build_graph([helper.make_node("ArgMax", ["x"], ["y"], axis=0, keepdims=0)]),
    }
    folders = [add(graph, name) for name, graph in graphs.items()]
    folders.append(add_unread(tmp_path / "outside", build_graph(SIGN[1:], initializer=[outside])))
    folders.append(add_unread(tmp_path / "no-graph", b"not a graph"))
    folders.append(add(build_graph(SIGN), "three", lambda m: m.model_copy(update={"inputs": (widen(m.inputs[0]),)})))
    for folder in folders:
        assert asking.score(folder) == WORST, folder.name
    (good / "model.onnx").write_bytes(bytes(len(build_graph(SIGN))))
    for entry, manifest_hash in ((good, None), (good, bytes(32)), (tmp_path / "nowhere", bytes(32))):
        assert asking.score(entry, manifest_hash) == WORST
    for uri in ("/etc", "file:///etc", "s3://bucket/model", "gopher://x/y", "", f"{tmp_path}/../.."):
        assert asking.score(uri, bytes(32)) == WORST, uri


def widen(spec: TensorSpec) -> TensorSpec:
    return spec.model_copy(update={"shape": (None, 3)})


def add_unread(folder: Path, graph: bytes) -> Path:
    """A manifest that nobody's runtime has looked at."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(graph)
    spec = {"dtype": "float32", "shape": [None, 2], "encoding": "tensor"}
    file = {"path": "model.onnx", "sha256": hashlib.sha256(graph).hexdigest(), "size_bytes": len(graph)}
    manifest = Manifest(
        name="acme/unread:1", flavour="onnx", files=[file], determinism="none",
        inputs=[{"name": "x", **spec}],
        outputs=[{"name": "y", "dtype": "int64", "shape": [None], "encoding": "int256[]"}],
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return folder


def test_too_large_a_model_has_the_lowest_score(tmp_path: Path, add: Build, test_set: Path) -> None:
    folder = add(build_graph(SIGN))
    assert Asking(tmp_path, test_set, max_bytes=100).score(folder) == WORST


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x,z\n1,2\n", "must name 'class'"),
        (b"x,x,class\n1,2,0\n", "each once"),
        (b"x,z,class\n", "no rows"),
        (b"x,z,class\n1,2\n", "line 2 has 2 values, the first has 3"),
        (b"x,z,class\n1,nan,0\n", "finite"),
        (b"x,z,class\n1,1_0,0\n", "finite"),
        (b"x,z,class\n1,red,0\n", "could not convert"),
        (b"x,z,class\n" + b"1,2,0\n" * 101, "more than 100 rows"),
        (b"\xff", "decode"),
    ],
)
def test_a_test_set_that_is_none_scores_nobody(
    asking: Asking, add: Build, test_set: Path, content: bytes, words: str
) -> None:
    test_set.write_bytes(content)
    with pytest.raises(JobRejected, match=words) as caught:
        asking.score(add(build_graph(SIGN)))
    assert caught.value.code == "test_set.malformed"


def test_another_test_set_or_none_scores_nobody(asking: Asking, add: Build, tmp_path: Path) -> None:
    folder = add(build_graph(SIGN))
    (tmp_path / "other.csv").write_text("x,z,class\n1,1,1\n")
    for uri, words in ((f"{tmp_path}/other.csv", "has not the hash"), (f"{tmp_path}/none.csv", "there is no test set"),
                       ("/etc/hostname", "no place that this node fetches from")):  # fmt: skip
        with pytest.raises(JobRejected, match=words):
            asking.score(folder, test_set=uri)
    with pytest.raises(JobRejected, match="the features are no evaluation"):
        asking.run(b"\x00" * 31)


def test_a_server_that_cannot_be_reached_is_no_score(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, unused_tcp_url: str
) -> None:
    monkeypatch.setattr("infernet.models.download.FIRST_PAUSE_S", 0.001)
    with pytest.raises(RetryLater):
        asking.score(unused_tcp_url, bytes(32))


@pytest.fixture
def unused_tcp_url() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/model"


def test_an_unknown_metric_stops_the_node_at_the_start(tmp_path: Path, test_set: Path) -> None:
    with pytest.raises(NodeMisconfigured, match="'auc' is no metric"):
        Asking(tmp_path, test_set, metric="auc")
