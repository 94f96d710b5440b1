"""Training on a producer's layer: jobs are worked on beside the blocks, and answered in later ones."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from infernet.layer_settings import TrainingEntry
from infernet.vm.chain import Chain
from infernet.vm.digits_trainer import DigitsTrainer
from infernet.vm.engine_thread import EngineThread
from infernet.vm.training_service import TrainingService
from infernet.vm.training_worker import TrainingWorker

TRAINERS = {"digits": DigitsTrainer()}
_PAUSE_S = 0.5
log = structlog.get_logger()


@asynccontextmanager
async def train_for(
    chain: Chain, engine: EngineThread, folder: Path | None, settings: TrainingEntry
) -> AsyncIterator[None]:
    """Work on the chain's jobs while the context is open.

    Args:
        folder: where the models go; None: nowhere that lasts.
    """
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="infernet-training-")))
        worker = TrainingWorker(TRAINERS, folder, min_fee_wei=settings.min_fee_wei, timeout_s=settings.timeout_s)
        service = await engine.run(TrainingService, chain, worker, fee_covers_gas=settings.fee_covers_gas)
        stack.callback(service.close)
        await engine.run(service.resume)
        task = asyncio.create_task(_answer(service, engine), name="training")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _answer(service: TrainingService, engine: EngineThread) -> None:
    while True:
        await asyncio.sleep(_PAUSE_S)
        await engine.run(service.answer_finished)
