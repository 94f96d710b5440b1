"""The part of the demonstration that needs no node: the chain's own precompiles answer, inside the transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from infernet.app.demo_events import Row
from infernet.client import AsyncClient
from infernet.models.store import read_manifest
from infernet.protocol.manifest import compute_manifest_hash
from infernet.vm.spc.addresses import TENSOR_INFERENCE
from infernet.vm.spc.models.publication import build_publication
from infernet.workflows.texts import CHAPTERS, TrainedTexts

TEXTS = 12
SHOWN = 4
FILE_GAS, PUBLISH_GAS = 3_000_000, 3_000_000
_TITLE = 44


async def show_librarian(client: AsyncClient, texts: TrainedTexts, say: Callable[..., None]) -> Row:
    """Publish the models to the chain, deploy the contract, and let it file texts that the models never saw."""
    embedder, classifier = await _publish(client, [texts.embedder_folder, texts.classifier_folder], say)
    librarian = await client.deploy("Librarian", embedder, classifier)
    asked = list(zip(texts.texts, texts.chapters, strict=True))[:TEXTS]
    receipts = await asyncio.gather(
        *(client.transact(librarian, "Librarian", "file", text, gas=FILE_GAS) for text, _ in asked)
    )
    right = 0
    for number, ((text, truth), receipt) in enumerate(zip(asked, receipts, strict=True)):
        subject = int.from_bytes(receipt.logs[-1].topics[2], "big")  # of the event Filed
        right += subject == truth
        if number < SHOWN:
            verdict = CHAPTERS[subject] if subject == truth else f"{CHAPTERS[subject]}, not {CHAPTERS[truth]}"
            say(f"“{text[:_TITLE]}…”: {verdict}", block=receipt.block_number, gas=receipt.gas_used)
    say(f"{TEXTS} texts filed, one transaction each: {right} in the right one of {len(CHAPTERS)} chapters")
    question = "How well does a classifier do?"
    found = await client.read(librarian, "Librarian", "find", question, 1)
    say(f"asked “{question}”: “{found[0][:_TITLE]}…”")
    gas = round(sum(receipt.gas_used for receipt in receipts) / TEXTS)
    return Row("precompiles", TEXTS, right, gas, 0, blocks=0.0)


async def _publish(client: AsyncClient, folders: list[Path], say: Callable[..., None]) -> list[bytes]:
    """Bring models to the chain, which checks and keeps them; the answer is their hashes.

    What comes later stands on what was sent before, so nothing can be estimated.
    """
    manifests = [read_manifest(folder) for folder in folders]
    calls = [data for folder in folders for data in build_publication(folder)]
    sending = (client.send(TENSOR_INFERENCE, data, gas=PUBLISH_GAS + 80 * len(data)) for data in calls)
    receipts = await asyncio.gather(*sending)
    names = " and ".join(manifest.name for manifest in manifests)
    gas = sum(receipt.gas_used for receipt in receipts)
    say(f"{names} published to the chain itself", block=receipts[-1].block_number, gas=gas)
    return [bytes(compute_manifest_hash(manifest)) for manifest in manifests]
