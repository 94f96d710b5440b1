"""Sentence transformers: the tokens of texts in, one vector for each text out, pooled and normalised inside the graph.

The tokenizer travels beside the graph, as whoever asks makes the tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.flavours.export import VECTOR, Arrays, Draft, Export
from infernet.workflows.flavours.graph_edits import finish_graph
from infernet.workflows.flavours.torch import export_module, save_weights

if TYPE_CHECKING:
    from infernet.workflows.data import Rows

TOKENIZER_FILE = "tokenizer.json"
_ADVICE = "allow more, Export(tolerance=…), or take a smaller model"


def draft(model: Any, rows: Rows, _export: Export) -> Draft:
    """Convert a `SentenceTransformer`; the rows hold one column of texts.

    Raises:
        InvalidInput: `features.mismatch`: other columns; `model.unsupported`.
    """
    model = model.eval().cpu()
    graph = export_module(_build_embedder(model), _tokenize(model, rows.matrix()[:2]), (VECTOR,))
    return Draft(
        onnx=finish_graph(graph),
        feed=lambda texts: _tokenize(model, texts),
        ask=lambda texts: {VECTOR: model.encode(_read_texts(texts), show_progress_bar=False)},
        answers=(VECTOR,),
        native=save_weights(model),
        advice=_ADVICE,
        files={TOKENIZER_FILE: model.tokenizer.backend_tokenizer.to_str().encode()},
    )


def _read_texts(texts: NDArray[Any]) -> list[str]:
    if texts.ndim != 2 or texts.shape[1] != 1 or not all(isinstance(text, str) for text in texts[:, 0]):
        raise InvalidInput("features.mismatch", "a sentence transformer reads one column, and it holds texts")
    return [str(text) for text in texts[:, 0]]


def _tokenize(model: Any, texts: NDArray[Any]) -> Arrays:
    tokens = model.tokenizer(
        _read_texts(texts), padding=True, truncation=True, max_length=model.max_seq_length, return_tensors="np"
    )
    return {name: np.asarray(tokens[name], np.int64) for name in ("input_ids", "attention_mask")}


def _build_embedder(model: Any) -> Any:
    import torch  # noqa: PLC0415

    model[0].auto_model.set_attn_implementation("eager")  # the other one cannot be traced for every length

    class Embedder(torch.nn.Module):  # type: ignore[misc]  # torch is no part of the check
        """Tensors in, a tensor out, where the model's modules pass dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            kinds = torch.zeros_like(input_ids)
            given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": kinds}
            return self.model(given)["sentence_embedding"]

    return Embedder().eval()
