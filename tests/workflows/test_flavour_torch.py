from __future__ import annotations

import numpy as np
import onnx
import pytest
from flavour_rows import split_rows, write_model
from sklearn.datasets import load_digits

from infernet.errors import InvalidInput
from infernet.onnx_session import open_session
from infernet.protocol.manifest import Determinism
from infernet.workflows.data import Rows
from infernet.workflows.flavours import Export, convert

torch = pytest.importorskip("torch", reason="not in requirements.lock, where it brings gigabytes of CUDA")


@pytest.fixture(scope="module")
def held_out() -> Rows:
    data = load_digits(as_frame=True)
    return Rows(data.data.astype("float32"), data.target).take(np.arange(len(data.data)) % 10 == 0)


def build_network(outputs: int = 10) -> torch.nn.Module:
    """A small convolutional network; what it answers matters to no test."""
    torch.manual_seed(7)
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)),
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(64, outputs),
    )


def test_a_network_answers_with_a_vector(held_out: Rows, tmp_path) -> None:
    network = build_network()
    first, second = (convert(network, held_out) for _ in range(2))
    assert first.onnx == second.onnx
    assert first.determinism is Determinism.NONE
    assert first.largest_difference < 1e-5
    (features,), (vector,) = first.inputs, first.outputs
    assert (features.shape, features.encoding, features.columns) == ((None, 64), "int256[]", held_out.columns)
    assert (vector.name, vector.shape) == ("vector", (None, 10))
    write_model(first, tmp_path)
    model = onnx.load_from_string(first.onnx)
    assert (model.producer_name, model.producer_version) == ("infernet", "")
    (alone,) = open_session(first.onnx).run(None, {"features": held_out.matrix()[:1]})
    assert alone.shape == (1, 10)


@pytest.mark.parametrize(
    ("classes", "named"),
    [(range(10), None), ([7, 3, 5, 1, 9, 0, 2, 4, 6, 8], None), (list("abcdefghij"), tuple("abcdefghij"))],
    ids=["counted", "numbers", "words"],
)
def test_a_network_that_tells_classes_answers_with_its_label(held_out: Rows, classes, named) -> None:
    network = build_network()
    network.classes_ = list(classes)
    converted = convert(network, held_out, export=Export(probabilities=True))
    label, probabilities = converted.outputs
    assert (label.dtype, label.shape, label.classes) == ("int64", (None,), named)
    assert probabilities.columns == tuple(map(str, classes))
    with torch.no_grad():
        places = network.eval()(torch.from_numpy(held_out.matrix())).argmax(dim=1).numpy()
    (found,) = open_session(converted.onnx).run(["label"], {"features": held_out.matrix()})
    assert found.tolist() == [place if named else list(classes)[place] for place in places]


def test_one_number_is_a_value(held_out: Rows) -> None:
    (value,) = convert(build_network(1), held_out).outputs
    assert (value.name, value.shape) == ("value", (None, 1))


def test_the_weights_are_kept_as_safetensors(held_out: Rows) -> None:
    from safetensors.torch import load

    network = build_network()
    weights = load(convert(network, held_out).native["weights.safetensors"])
    assert {name: value.tolist() for name, value in weights.items()} == {
        name: value.tolist() for name, value in network.state_dict().items()
    }


class Picky(torch.nn.Module):
    def forward(self, features):
        return features[: features.shape[0] - 1]


class Dreamer(torch.nn.Module):
    """Answers otherwise when it is traced: the graph is not the model."""

    def forward(self, features):
        return features[:, :2] * (1.0 if torch.onnx.is_in_onnx_export() else 1.5)


@pytest.mark.filterwarnings("ignore")
def test_a_graph_that_is_not_the_model_is_refused() -> None:
    _, held_out = split_rows("wine")
    with pytest.raises(InvalidInput, match="deviates in 60 of 60 rows, most in row") as caught:
        convert(Dreamer(), held_out)
    assert caught.value.code == "model.deviates"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (torch.nn.Linear(5, 2), "does not take float32"),
        (Picky(), "a row for each row"),
    ],
    ids=["other columns", "fewer rows"],
)
def test_a_module_that_does_not_fit_says_why(module, words: str) -> None:
    _, held_out = split_rows("wine")
    with pytest.raises(InvalidInput, match=words) as caught:
        convert(module, held_out)
    assert caught.value.code == "model.unsupported"


def test_as_many_classes_as_scores(held_out: Rows) -> None:
    network = build_network()
    network.classes_ = [0, 1]
    with pytest.raises(InvalidInput, match="names 2 classes and it gives 10 scores"):
        convert(network, held_out)


def test_a_network_is_not_exact(held_out: Rows) -> None:
    with pytest.raises(InvalidInput, match="computes with floats"):
        convert(build_network(), held_out, export=Export(exact=True))
