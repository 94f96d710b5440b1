"""The examples as contracts ask them: in words, and with features that a contract has measured itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from needs import need

from infernet.app.network import start_network
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.settings import ContainerSettings, MlflowSettings
from infernet.workflows.preparation import prepare
from infernet.workflows.tracker import Tracker
from infernet.workflows.trainer import run_training
from infernet.workflows.workflow import import_file, load_workflow

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"
ASKED = {
    "I need the eigenvalues of a symmetric matrix": "linalg",
    "remove noise from a sound with a band-pass filter": "signal",
    "are the means of two samples different?": "stats",
}


@pytest.mark.chain
async def test_a_text_is_embedded_and_answered_in_one_request(tracker: Tracker, tmp_path: Path) -> None:
    need(find_spec("wordllama") is not None, "no wordllama, which has wheels up to Python 3.13")
    workflow = load_workflow(EXAMPLES / "questions.py")
    run_training(workflow, tracker=tracker)
    classes = prepare(workflow).split.held_out.classes
    assert classes is not None
    containers = [
        ContainerSettings(id="embed", kind="python", target=f"{EXAMPLES / 'questions.py'}:embed_text"),
        ContainerSettings(id="questions", kind="model", model="models:/questions@champion"),
    ]
    mlflow = MlflowSettings(tracking_uri=tracker.uri)
    async with start_network(containers, tmp_path / "store", block_time_s=None, mlflow=mlflow) as network:
        for text, part in ASKED.items():
            key = await network.client.request("embed,questions", encode_abi(["string"], [text]))
            output = await network.client.wait_output(key)
            ((label,),) = decode_abi(("int256[]",), output.output)
            assert classes[label] == part, text


@pytest.mark.chain
async def test_the_contract_measures_what_the_model_learned_from(tmp_path: Path) -> None:
    module = import_file(EXAMPLES / "volatility.py")
    prices = module.sp500.load()["Close"].tail(300)
    async with start_network([], tmp_path / "store", nodes=0, block_time_s=None) as network:
        feed = await network.client.deploy("VolatilityFeed", network.coordinator, "volatility")
        stored = [round(price * 10**8) for price in prices]
        for days in (stored[:200], stored[200:201], stored[201:]):
            await network.client.transact(feed, "VolatilityFeed", "addPrices", days)
        measured = await network.client.read(feed, "VolatilityFeed", "measured")
    learned = module.build_features(prices).iloc[-1]
    assert list(learned.index) == ["week", "month", "trend"]
    np.testing.assert_allclose(np.array(measured) / 10**6, learned, atol=1.5e-6)
