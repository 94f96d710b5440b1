"""What stateful precompiles charge, and how much they take at once.

The measure is 60 gas for a microsecond of one core, so that a block of 60,000,000 gas is about a second of work.
A price never depends on what a node has in memory: the same call costs the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """Gas. A layer's genesis may set each of them."""

    call: int = 2_000
    """Any call of any precompile."""
    calldata_word: int = 20
    """For each 32 bytes of calldata, to decode them."""
    result_word: int = 60
    """For each 32 bytes returned, to encode them."""

    storage_read: int = 2_100
    storage_write: int = 5_000
    """A word that was not zero before, or stays zero."""
    storage_new: int = 20_000
    blob_read: int = 1_000
    blob_write: int = 2_000
    blob_byte: int = 32
    """For each byte written: like calldata, every node keeps it for ever."""
    hash_word: int = 12
    """For each 32 bytes hashed with sha256."""

    publish: int = 500_000
    """A model or a circuit: its graph is read, checked and loaded once."""
    load_byte: int = 1
    """For each byte of what is published, to load it; for a model's graph without its large constants whenever it is
    used."""
    load: int = 25_000
    """A model is made ready: charged whenever it is used, as if no node had it in memory."""
    load_operator: int = 2_000
    """For each operator, constant, input and output of its graph. An operator of several outputs counts as so many, and
    as one more for each 8 inputs."""
    load_kilobyte: int = 200
    """For each 1,024 bytes of its large constants."""
    shape_operator: int = 1_000
    """For each of the same, to infer the shapes where the graph's open dimension is not 1."""
    inference: int = 10_000
    kilomac: int = 20
    """For each 1,024 multiply-accumulates of one inference or one search: they are bound by memory."""
    feature_word: int = 120
    """For each number of features or output that travels in an `int256[]`."""

    search: int = 5_000
    """Choosing the best of the rows, beside their scores."""
    search_rows: int = 12
    """For each 4 rows that a search looks at."""
    training_row: int = 80
    """For each vector that an index is trained with, to read it."""
    index_row: int = 40
    """For each vector of a collection whose index is trained: the first search after it orders all of them anew."""
    training_kilomac: int = 3
    """For each 1,024 multiply-accumulates of an index's training: whole matrices, bound by arithmetic."""

    text_byte: int = 120
    """For each byte of a text that is embedded."""

    proof: int = 600_000
    """One zero-knowledge proof, some 10 ms in all."""
    proof_byte: int = 100
    proof_instance: int = 600
    circuit_column: int = 3_600
    """For each column and lookup of a proof's circuit, to lay it out."""
    circuit_kilorow: int = 8_000
    """For each 1,024 of its rows times its selectors and the degree of its gates."""

    http_request: int = 100_000
    """One HTTP request, answered or not."""
    http_byte: int = 32
    """For each byte of the answer: it stands in the block."""

    llm_request: int = 100_000
    """Asking a language model, answered or not."""
    llm_prompt_byte: int = 24
    llm_token: int = 3_000
    """For each token of the answer: some 50 µs of a GPU that many share, and its bytes stand in the block."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may ask for. A layer's genesis may set each of them."""

    blob_bytes: int = 1 << 20
    file_bytes: int = 1 << 26
    """Of a file that is put together from blobs."""
    manifest_bytes: int = 1 << 16
    macs: int = 1 << 30
    """Multiply-accumulates of one inference. It bounds memory too: each element that a graph makes counts as 16."""
    rounded_models: bool = True
    """Whether floating-point models are accepted that declare how their outputs are rounded. Inputs can be searched for
    that come so near to where rounding turns that two kinds of CPU disagree, and a follower then stops: a layer that
    anyone may publish on does better without."""

    dimension: int = 4_096
    items: int = 1_024
    """Of one `upsert` or `remove`."""
    metadata_bytes: int = 8_192
    collection_values: int = 1 << 28
    """Vectors of one collection times their dimension: bytes in memory."""
    neighbours: int = 1_024
    lists: int = 1_024

    text_bytes: int = 16_384
    tokenizer_bytes: int = 4_096
    """Of an embedder's `tokenizer.json`: it is read for each text."""

    circuit_bytes: int = 1 << 20
    """Of each of a circuit's files."""
    proof_bytes: int = 1 << 16
    proof_instances: int = 4_096

    http_bytes: int = 65_536
    """Of an answer."""
    prompt_bytes: int = 65_536
    tokens: int = 4_096
    """Of a language model's answer."""
    passages: int = 32
    """That one question may be answered from."""
