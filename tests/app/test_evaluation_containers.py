"""Evaluation in the container that a node builds from its settings: what it may fetch, and what it may not."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from infernet.app.evaluation import build_evaluation
from infernet.errors import NodeMisconfigured
from infernet.models import build_onnx_manifest
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.manifest import compute_manifest_hash, encode_manifest
from infernet.settings import ContainerSettings
from infernet.workflows.data import Rows
from infernet.workflows.flavours import convert

WORST = -(2**255)


class Quiet(SimpleHTTPRequestHandler):
    """The web server of an entrant."""

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def entry(tmp_path: Path) -> bytes:
    """An entry and a test set on it, in a folder. Returns the manifest's hash."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(200, 3)).round(3), columns=["a", "b", "c"]).astype("float32")
    label = (frame["a"] > frame["b"]).astype("int64").rename("label")
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(frame, label)
    converted = convert(tree, Rows(frame, label))
    (tmp_path / "model.onnx").write_bytes(converted.onnx)
    manifest = build_onnx_manifest(tmp_path / "model.onnx", "a/b:1", inputs=converted.inputs, outputs=converted.outputs)
    (tmp_path / "manifest.json").write_bytes(encode_manifest(manifest))
    answers = tree.predict(frame)
    answers[:50] = 1 - answers[:50]  # of 200 rows 150 are right
    frame.assign(label=answers).to_csv(tmp_path / "test.csv", index=False)
    return bytes(compute_manifest_hash(manifest))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


async def evaluate(entry: bytes, uri: str, folder: Path, **settings: object) -> int:
    container = build_evaluation(ContainerSettings(id="judge", kind="evaluation", column="label", **settings))
    digest = hashlib.sha256((folder / "test.csv").read_bytes()).digest()
    features = encode_abi(["bytes32", "string", "bytes32", "string"], [entry, uri, digest, f"{uri}/test.csv"])
    try:
        await container.start()
        (score,) = decode_abi(["int256"], await container.run(features))
        return int(score)
    finally:
        await container.stop()


async def test_an_entry_on_the_web_is_scored(entry: bytes, url: str, tmp_path: Path) -> None:
    assert await evaluate(entry, url, tmp_path, private_addresses=True) == 75 * 10**16


async def test_nodes_are_not_led_into_their_own_network(entry: bytes, url: str, tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured, match="localhost is an address of this network"):
        await evaluate(entry, url, tmp_path)


async def test_an_entry_in_a_folder_of_the_operators_is_scored(entry: bytes, tmp_path: Path) -> None:
    assert await evaluate(entry, str(tmp_path), tmp_path, folders=(tmp_path,)) == 75 * 10**16
    assert await evaluate(bytes(32), str(tmp_path), tmp_path, folders=(tmp_path,)) == WORST


async def test_an_unknown_metric_stops_the_node_at_the_start(entry: bytes, tmp_path: Path) -> None:
    with pytest.raises(NodeMisconfigured, match="'auc' is no metric of an evaluation"):
        await evaluate(entry, str(tmp_path), tmp_path, metric="auc")
