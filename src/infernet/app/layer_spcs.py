"""The precompiles that a layer's file enables: what each is built from, and which needs which."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from infernet.errors import NodeMisconfigured
from infernet.layer_settings import EndpointEntry, LayerSettings
from infernet.vm.spc.addresses import SCHEDULER, TRAINING
from infernet.vm.spc.call import Spc
from infernet.vm.spc.embeddings import Embeddings
from infernet.vm.spc.engines import Engines
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.openai import OpenAiEndpoint, OpenAiEngine
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proofs import ProofVerifier
from infernet.vm.spc.rag import Rag, SpcEmbedder, SpcRetriever
from infernet.vm.spc.recorded_embeddings import OpenAiEmbedder, RecordedEmbeddings
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.vectors.database import VectorDatabase

SYSTEM_CONTRACTS = {"scheduler": ("Scheduler", SCHEDULER), "training": ("Training", TRAINING)}
"""Precompiles in name: contracts that stand in the first block, since all they do the EVM can do."""
RECORDED_EMBEDDINGS = "embeddings-recorded"
_EMBEDDINGS = ("embeddings", RECORDED_EMBEDDINGS)


def build_spcs(settings: LayerSettings, prices: Prices, limits: Limits) -> tuple[Spc, ...]:
    """Those that the file enables.

    Raises:
        NodeMisconfigured: `layer.invalid`: one lacks another that it needs; `layer.no_api_key`; a package is not
            installed.
    """
    _check(settings)
    loaded = LoadedModels()

    @cache
    def build(name: str) -> Spc:
        if name == "inference":
            return TensorInference(prices, limits, loaded)
        if name == "embeddings":
            return Embeddings(prices, limits, loaded)
        if name == RECORDED_EMBEDDINGS:
            embedders = {entry.name: OpenAiEmbedder(*_open_endpoint(entry)) for entry in settings.embedder}
            exact = build("embeddings") if "inference" in settings.precompiles else None
            return RecordedEmbeddings(exact, embedders, prices, limits)
        if name == "proofs":
            return ProofVerifier(prices, limits)
        if name == "vectors":
            return VectorDatabase(prices, limits)
        if name == "http":
            return Http(OutboundClient(timeout_s=settings.http.timeout_s), settings.http.hosts, prices, limits)
        engines = Engines({entry.name: OpenAiEngine(*_open_endpoint(entry)) for entry in settings.llm}, prices, limits)
        if name == "llm":
            return Llm(engines, prices)
        return Rag(
            SpcEmbedder(build(_find_embeddings(settings))), SpcRetriever(build("vectors")), engines, prices, limits
        )

    return tuple(build(name) for name in settings.precompiles if name not in SYSTEM_CONTRACTS)


def describe_recorded(settings: LayerSettings) -> Mapping[str, object]:
    """What the first block says of precompiles that are recorded on some layers and executed again on others."""
    return {"recorded_embeddings": True} if RECORDED_EMBEDDINGS in settings.precompiles else {}


def _check(settings: LayerSettings) -> None:
    enabled = settings.precompiles
    if len(set(enabled)) < len(enabled):
        raise NodeMisconfigured("layer.invalid", "a precompile stands twice in 'precompiles'")
    if set(_EMBEDDINGS) <= set(enabled):
        raise NodeMisconfigured(
            "layer.invalid", f"'{RECORDED_EMBEDDINGS}' answers for bit-exact models too: leave 'embeddings' out"
        )
    needs = {"embeddings": ("inference",), "rag": ("vectors", _find_embeddings(settings), "llm")}
    for name, others in needs.items():
        for other in others:
            if name in enabled and other not in enabled:
                raise NodeMisconfigured(
                    "layer.invalid", f"the precompile '{name}' needs '{other}': add it, or leave '{name}' out"
                )
    if settings.models and "inference" not in enabled:
        raise NodeMisconfigured("layer.invalid", "models need the precompile 'inference': add it, or leave them out")


def _find_embeddings(settings: LayerSettings) -> str:
    return next((name for name in _EMBEDDINGS if name in settings.precompiles), "embeddings")


def _open_endpoint(entry: EndpointEntry) -> tuple[OpenAiEndpoint, str]:
    key = None
    if entry.api_key_variable is not None:
        key = os.environ.get(entry.api_key_variable)
        if not key:
            raise NodeMisconfigured(
                "layer.no_api_key", f"set {entry.api_key_variable} to the API key of {entry.name!r}"
            )
    client = OutboundClient(timeout_s=entry.timeout_s, allows=lambda address: True)
    return OpenAiEndpoint(client, entry.url, key), entry.model or entry.name
