"""Stateful precompiles: what a call takes beside the model or the search in it. Alone: python -m bench.spc"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from eth_abi import decode, encode
from threadpoolctl import threadpool_limits

from bench.page import Figure, at_least, at_most
from infernet.onnx_session import open_session
from infernet.protocol.hashing import keccak
from infernet.protocol.manifest import compute_manifest_hash
from infernet.protocol.model_codec import encode_features
from infernet.testing.spc_call import MemoryCall
from infernet.vm.spc.call import Spc
from infernet.vm.spc.models.publication import build_publication
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.vectors import VectorDatabase
from infernet.workflows.digits import train_digits

ROWS, DIMENSION, QUERIES = 100_000, 384, 60
LISTS, PROBES, NEIGHBOURS = 316, 32, 10
_ALL = (0, 0)
_ITEMS = "(uint256,uint256,bytes,bytes)[]"
_FILTER = "(uint256,uint256)"


class Caller:
    """Calls one precompile; calldata are made before the time is taken."""

    def __init__(self, spc: Spc) -> None:
        self.spc = spc
        self.state = MemoryCall(address=spc.address)

    def prepare(self, name: str, types: Sequence[str], *values: Any) -> MemoryCall:
        """A call that is ready to run."""
        signature = f"{name}({','.join(types)})"
        return self.state.next(keccak(signature.encode())[:4] + encode(types, values))

    def run(self, name: str, types: Sequence[str], *values: Any) -> bytes:
        """What the function returns."""
        return self.spc.run(self.prepare(name, types, *values))


def build_vectors() -> Any:
    """Clustered, as embeddings are: 2,000 topics, int8. Shape [ROWS, DIMENSION]."""
    generator = np.random.default_rng(5)
    topics = generator.normal(size=(2_000, DIMENSION))
    vectors = topics[generator.integers(0, len(topics), ROWS)] + 0.7 * generator.normal(size=(ROWS, DIMENSION))
    vectors *= 635 / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.clip(np.rint(vectors), -127, 127).astype(np.int8)


def build_queries(vectors: Any) -> Any:
    """Near to some of the vectors. Shape [QUERIES, DIMENSION]."""
    generator = np.random.default_rng(6)
    chosen = vectors[generator.integers(0, ROWS, QUERIES)].astype(int)
    return np.clip(chosen + generator.integers(-20, 21, chosen.shape), -127, 127).astype(np.int8)


async def measure_spcs() -> list[Figure]:
    """Every figure of the precompiles."""
    vectors = build_vectors()
    queries = build_queries(vectors)
    database = Caller(VectorDatabase(Prices(), Limits()))
    collection = _fill(database, vectors)
    exact, truth = _measure_exact(database, collection, vectors, queries)
    return [exact, _measure_lists(database, collection, vectors, queries, truth), *_measure_inference()]


def _fill(database: Caller, vectors: Any) -> bytes:
    collection = database.run("createCollection", ["string", "uint16", "uint8"], "bench", DIMENSION, 0)
    for at in range(0, ROWS, 1_000):
        items = [(number, 0, vectors[number].tobytes(), b"") for number in range(at, at + 1_000)]
        database.run("upsert", ["bytes32", _ITEMS], collection, items)
    return collection


def _measure_exact(database: Caller, collection: bytes, vectors: Any, queries: Any) -> tuple[Figure, list[set[int]]]:
    types = ["bytes32", "bytes", "uint16", _FILTER]
    calls = [database.prepare("search", types, collection, query.tobytes(), NEIGHBOURS, _ALL) for query in queries]
    truth = [set(decode(["uint256[]", "int256[]"], database.spc.run(call))[0]) for call in calls]
    ours = _time_each([lambda call=call: database.spc.run(call) for call in calls])
    floats = vectors.astype(np.float32)
    plain = {}
    with threadpool_limits(1, "blas"):
        plain["int8 @ int8"] = _time_each([lambda q=q: vectors @ q for q in queries[:20]])
        plain["float32 @ float32"] = _time_each([lambda q=q: floats @ q.astype(np.float32) for q in queries[:20]])
    best = min(plain, key=lambda name: plain[name])
    figure = Figure(
        f"exact search of {ROWS:,} × {DIMENSION} int8, a whole call of the precompile, p50",
        f"{ours:.1f} ms, {ours / plain[best]:.2f} × the plain product ({best}, {plain[best]:.1f} ms)",
        "≤ 2 ×",
        checks=(at_most("times the plain product", ours / plain[best], 2),),
    )
    return figure, truth


def _measure_lists(database: Caller, collection: bytes, vectors: Any, queries: Any, truth: list[set[int]]) -> Figure:
    database.run("trainIndex", ["bytes32", "uint16"], collection, LISTS)
    types = ["bytes32", "bytes", "uint16", "uint16", _FILTER]
    calls = [
        database.prepare("searchApproximate", types, collection, query.tobytes(), NEIGHBOURS, PROBES, _ALL)
        for query in queries
    ]
    found = [set(decode(["uint256[]", "int256[]"], database.spc.run(call))[0]) for call in calls]
    ours = _time_each([lambda call=call: database.spc.run(call) for call in calls])
    faiss.omp_set_num_threads(1)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIMENSION), DIMENSION, LISTS, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:: ROWS // (128 * LISTS)].astype(np.float32))
    index.add(vectors.astype(np.float32))
    index.nprobe = PROBES
    floats = queries.astype(np.float32)
    theirs = _time_each([lambda q=q: index.search(q, NEIGHBOURS) for q in np.split(floats, QUERIES)])
    labels = index.search(floats, NEIGHBOURS)[1]
    recalls = [_compute_recall(found, truth), _compute_recall([set(row.tolist()) for row in labels], truth)]
    return Figure(
        f"approximate search of the same, {PROBES} of {LISTS} lists, p50",
        f"{ours:.2f} ms, {ours / theirs:.2f} × faiss IVF ({theirs:.2f} ms); recall {recalls[0]:.3f} ({recalls[1]:.3f})",
        "≤ 2 ×",
        checks=(at_most("times faiss", ours / theirs, 2), at_least("recall", recalls[0], 0.9)),
    )


def _measure_inference() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "digits"
        trained = train_digits(folder)
        models = Caller(TensorInference(Prices(), Limits()))
        for data in build_publication(folder):
            models.spc.run(models.state.next(data))
        session = open_session(folder / "model.onnx")
    pixels = trained.pixels[:1]
    features = encode_features(trained.manifest, {"pixels": pixels})
    call = models.prepare("infer", ["bytes32", "bytes"], compute_manifest_hash(trained.manifest), features)
    whole = _time_each([lambda: models.spc.run(call)] * 500) * 1000
    model = _time_each([lambda: session.run(["label"], {"pixels": pixels})] * 500) * 1000
    what = "inference of the digits model by a call of the precompile, over the model itself, p50"
    return [
        Figure(what, f"+ {whole - model:.0f} µs ({whole:.0f})", "≤ 1 ms", checks=(at_most("µs", whole - model, 1000),))
    ]


def _compute_recall(found: list[set[int]], truth: list[set[int]]) -> float:
    return statistics.mean(len(a & b) / NEIGHBOURS for a, b in zip(found, truth, strict=True))


def _time_each(runs: Sequence[Callable[[], object]]) -> float:
    """Median over the runs of the best of three times each, in milliseconds: other work on the machine is left out."""
    best = [float("inf")] * len(runs)
    for _ in range(3):
        for place, run in enumerate(runs):
            began = time.perf_counter()
            run()
            best[place] = min(best[place], (time.perf_counter() - began) * 1000)
    return statistics.median(best)


if __name__ == "__main__":
    for figure in asyncio.run(measure_spcs()):
        print(f"{figure.what}: {figure.measured}")
