"""The demonstration: models trained on real data answer contracts on a local network, in seven ways."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from infernet.app.demo_events import Event, Line, Picture, Pictures, Row, Section, Summary, average_gas
from infernet.app.demo_librarian import show_librarian
from infernet.app.demo_market import Market
from infernet.app.demo_workflow import Aside, check_installed, improve
from infernet.app.network import LocalNetwork, start_network
from infernet.app.training import load_held_out_apart, train_digits_apart, train_texts_apart
from infernet.client import AsyncClient, Output
from infernet.models.store import ModelStore
from infernet.protocol.events import SubscriptionCreated, decode_event
from infernet.protocol.interval import compute_interval_start
from infernet.protocol.model_codec import decode_outputs, encode_features
from infernet.settings import ContainerSettings
from infernet.types import Address, Receipt
from infernet.workflows.digits import MODEL_NAME, TrainedDigits

ROWS = 20
INTERVALS = 3
PERIOD_S = 2
BLOCK_TIME_S = 1.0
NODES = 2
T = TypeVar("T")


async def run_demo(report: Callable[[Event], None]) -> Summary:
    """Train, start the network, ask in seven ways. Nothing is left behind when this returns or is cancelled."""
    with tempfile.TemporaryDirectory(prefix="infernet-demo-") as folder:
        return await _Demo(report, Path(folder)).run()


class _Demo:
    def __init__(self, report: Callable[[Event], None], folder: Path) -> None:
        self._report = report
        self._folder = folder
        self._began_s = time.monotonic()
        self._summary = Summary()

    async def run(self) -> Summary:
        check_installed()
        self._report(Section("A model, a chain, a node"))
        store = self._folder / "models"
        containers = [ContainerSettings(kind="model", model=MODEL_NAME)]
        async with AsyncExitStack() as stack:
            digits = _begin(stack, train_digits_apart(self._folder / "digits"))
            manual = _begin(stack, train_texts_apart(self._folder / "texts"))
            starting = start_network(containers, store, nodes=0, block_time_s=BLOCK_TIME_S)
            network = await stack.enter_async_context(starting)
            model, texts = await digits, await manual
            held_out = _begin(stack, load_held_out_apart(self._folder / "held-out"))
            aside = Aside(self._report)
            say = partial(self._say, report=aside)
            improving = _begin(stack, improve(network, store, self._folder / "improved", held_out, aside, say))
            self._add_model(network, store, model)
            await network.add_node()
            self._say_node(network)
            await self._ask(network, model)
            self._report(Section("(f) One transaction embeds a text, searches, classifies it and files it"))
            self._summary.rows.append(await show_librarian(network.client, texts, self._say))
            self._report(Section("(g) Meanwhile a contract had a model trained, and improved"))
            aside.tell()
            asked, self._summary.versions = await improving
            self._summary.rows += asked
        self._summary.took_s = time.monotonic() - self._began_s
        return self._summary

    def _add_model(self, network: LocalNetwork, store: Path, model: TrainedDigits) -> None:
        stored = ModelStore(store).add(model.folder)
        self._summary.accuracy, rows = model.accuracy, len(model.labels)
        self._say(f"trained {model.manifest.name}: right on {model.accuracy:.1%} of {rows} held-out digits")
        self._say(f"exported to ONNX, determinism {model.manifest.determinism.value}, manifest {stored.hash[:10]}…")
        self._say(f"chain {network.chain.chain_id} at {network.chain.rpc_url}")
        self._say(f"Coordinator {network.coordinator}")

    async def _ask(self, network: LocalNetwork, model: TrainedDigits) -> None:
        container = model.manifest.name
        client, coordinator = network.client, network.coordinator
        classifier, feed, signed = await asyncio.gather(
            client.deploy("DigitsClassifier", coordinator, container),
            client.deploy("DigitsFeed", coordinator, container),
            client.deploy("SignedDigits", coordinator, network.user.address),
        )
        self._say("consumers: DigitsClassifier, DigitsFeed, SignedDigits")
        await self._show_callbacks(client, classifier, model)
        await self._show_subscription(client, feed, model)
        await self._show_signed(network, signed, model)
        await self._show_redundancy(network, classifier, model)
        await Market(self._report, self._say, network, model).show(self._summary)

    async def _show_callbacks(self, client: AsyncClient, classifier: Address, model: TrainedDigits) -> None:
        self._report(Section(f"(a) A contract classifies {ROWS} held-out digits through callbacks"))
        receipts = await asyncio.gather(*(self._classify(client, classifier, model, row, 1) for row in range(ROWS)))
        keys = [client.read_created(receipt)[0] for receipt in receipts]
        blocks = sorted({receipt.block_number for receipt in receipts})
        self._say(
            f"{ROWS} requests (gas of one)", block=blocks[-1], gas=_mean([receipt.gas_used for receipt in receipts])
        )
        outputs = await asyncio.gather(*(client.wait_output(key) for key in keys))
        await self._note_answers("callback", client, classifier, model, receipts, list(outputs))

    async def _note_answers(
        self,
        flow: str,
        client: AsyncClient,
        classifier: Address,
        model: TrainedDigits,
        receipts: list[Receipt],
        outputs: list[Output],
    ) -> None:
        """Read the labels back from the contract: what counts is what it received."""
        answers = await asyncio.gather(
            *(client.read(classifier, "DigitsClassifier", "answers", output.key.id) for output in outputs)
        )
        pictures = tuple(
            Picture(tuple(int(p) for p in model.pixels[row]), answer[0], int(model.labels[row]))
            for row, answer in enumerate(answers)
        )
        right = sum(picture.label == picture.truth for picture in pictures)
        for block in sorted({output.block_number for output in outputs}):
            there = [output for output in outputs if output.block_number == block]
            self._say(f"{len(there)} answers delivered (gas of one)", block=block, gas=average_gas(there))
        self._report(Pictures(pictures))
        self._say(f"{right} of {len(pictures)} right: accuracy {right / len(pictures):.1%} by the true labels")
        waits = [o.block_number - receipt.block_number for o, receipt in zip(outputs, receipts, strict=True)]
        self._add_row(flow, receipts, outputs, right, waits)

    async def _show_subscription(self, client: AsyncClient, feed: Address, model: TrainedDigits) -> None:
        self._report(Section(f"(b) A subscription reads its features from the contract, {INTERVALS} intervals"))
        rows = range(ROWS, ROWS + INTERVALS)
        for row in rows:  # each is mined before the next: this is the order in which the model sees them
            await client.transact(feed, "DigitsFeed", "addRow", bytes(model.pixels[row]))
        receipt = await client.transact(feed, "DigitsFeed", "start", PERIOD_S, INTERVALS)
        (key,) = client.read_created(receipt)
        self._say(f"subscribed: an answer every {PERIOD_S} s", block=receipt.block_number, gas=receipt.gas_used)
        outputs, right = [], 0
        for interval in range(1, INTERVALS + 1):
            output = await client.wait_output(key, interval=interval)
            label = await client.read(feed, "DigitsFeed", "labels", key.id, interval)
            truth = int(model.labels[ROWS + interval - 1])
            right += label == truth
            outputs.append(output)
            self._say(f"interval {interval}: {label}, it is {truth}", block=output.block_number, gas=output.gas_used)
        (created,) = (e for log in receipt.logs if isinstance(e := decode_event(log), SubscriptionCreated))
        waits = [await _count_blocks(client, created, output) for output in outputs]
        self._add_row("subscription", [receipt], outputs, right, waits)

    async def _show_signed(self, network: LocalNetwork, consumer: Address, model: TrainedDigits) -> None:
        self._report(Section("(c) Signed off chain, created and answered in one transaction of the node"))
        row, client = ROWS + INTERVALS, network.client
        features = encode_features(model.manifest, {"pixels": model.pixels[row : row + 1]})
        head = await client.chain.fetch_head()
        request = await client.sign_delegate(consumer, model.manifest.name, features)
        self._say(f"signed request {request.nonce} for SignedDigits, sent nothing to the chain")
        api_url = network.nodes[0].api_url or ""
        key = await client.post_delegate(api_url, request)
        self._say(f"handed to {api_url}")
        output = await client.wait_output(key)
        label = int(decode_outputs(model.manifest, output.output)["label"][0])
        stored = await client.read(consumer, "SignedDigits", "lastLabel")
        truth = int(model.labels[row])
        self._say(f"created and answered: {stored}, it is {truth}", block=output.block_number, gas=output.gas_used)
        self._add_row("signed", [], [output], int(label == stored == truth), [output.block_number - head.number])

    async def _show_redundancy(self, network: LocalNetwork, classifier: Address, model: TrainedDigits) -> None:
        self._report(Section(f"(d) Redundancy {NODES}: one request, answers of {NODES} different nodes"))
        client, row = network.client, ROWS + INTERVALS + 1
        await network.add_node()
        self._say_node(network)
        receipt = await self._classify(client, classifier, model, row, NODES)
        (key,) = client.read_created(receipt)
        self._say(f"one request for {NODES} answers", block=receipt.block_number, gas=receipt.gas_used)
        outputs = list(
            await asyncio.gather(*(client.wait_output(key, redundancy=ordinal + 1) for ordinal in range(NODES)))
        )
        names = {node.address: number for number, node in enumerate(network.nodes, 1)}
        truth, right = int(model.labels[row]), 0
        for output in outputs:
            label = int(decode_outputs(model.manifest, output.output)["label"][0])
            right += label == truth
            self._say(
                f"answer {output.redundancy} by node {names[output.node]}: {label}, it is {truth}",
                block=output.block_number,
                gas=output.gas_used,
            )
        waits = [output.block_number - receipt.block_number for output in outputs]
        self._add_row(f"redundancy {NODES}", [receipt], outputs, right, waits)

    async def _classify(
        self, client: AsyncClient, classifier: Address, model: TrainedDigits, row: int, redundancy: int
    ) -> Receipt:
        function = "classify(bytes,uint16)"
        return await client.transact(classifier, "DigitsClassifier", function, bytes(model.pixels[row]), redundancy)

    def _say_node(self, network: LocalNetwork) -> None:
        node = network.nodes[-1]
        address = f"{node.address[:6]}…{node.address[-4:]}"
        self._say(f"node {len(network.nodes)} ({address}) joined, serves {', '.join(node.containers)}")

    def _add_row(self, flow: str, receipts: list[Receipt], outputs: list[Output], right: int, waits: list[int]) -> None:
        request_gas = _mean([receipt.gas_used for receipt in receipts]) if receipts else 0
        delivery_gas = average_gas(outputs)
        self._summary.rows.append(
            Row(flow, len(outputs), right, request_gas, delivery_gas, blocks=sum(waits) / len(waits))
        )

    def _say(
        self,
        text: str,
        *,
        block: int | None = None,
        gas: int | None = None,
        report: Callable[[Event], None] | None = None,
    ) -> None:
        (report or self._report)(Line(time.monotonic() - self._began_s, text, block, gas))


def _begin(stack: AsyncExitStack, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Beside the rest, until the stack unwinds at the latest."""
    task = asyncio.create_task(work)
    stack.push_async_callback(_end, task)
    return task


async def _end(task: asyncio.Task[Any]) -> None:
    """Gone on return, whatever it came to."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _count_blocks(client: AsyncClient, created: SubscriptionCreated, output: Output) -> int:
    """From the first block of the answer's interval to the block of the answer."""
    terms = created.subscription
    starts_at = compute_interval_start(terms.active_at, terms.period, output.interval)
    for distance in itertools.count(1):
        block = await client.chain.fetch_block(output.block_number - distance)
        if block is None or block.timestamp < starts_at:
            return distance - 1
    raise AssertionError("unreachable")


def _mean(values: list[int]) -> int:
    return round(sum(values) / len(values))
