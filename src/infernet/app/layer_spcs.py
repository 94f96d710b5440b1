"""The precompiles that a layer's file enables: what each is built from, and which needs which."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from infernet.errors import NodeMisconfigured
from infernet.layer_settings import LayerSettings
from infernet.vm.spc.addresses import SCHEDULER, TRAINING
from infernet.vm.spc.call import Spc
from infernet.vm.spc.embeddings import Embeddings
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proofs import ProofVerifier
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.vectors.database import VectorDatabase

SYSTEM_CONTRACTS = {"scheduler": ("Scheduler", SCHEDULER), "training": ("Training", TRAINING)}
"""Precompiles in name: contracts that stand in the first block, since all they do the EVM can do."""
RECORDED_EMBEDDINGS = "embeddings-recorded"
_EMBEDDINGS = ("embeddings", RECORDED_EMBEDDINGS)


def build_spcs(settings: LayerSettings, prices: Prices, limits: Limits, *, asks: bool = True) -> tuple[Spc, ...]:
    """Those that the file enables.

    Args:
        asks: whether those that are recorded will ask anybody, and need the keys for it.

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
        if name == "proofs":
            return ProofVerifier(prices, limits)
        if name == "vectors":
            return VectorDatabase(prices, limits)
        return build_recorded(name)

    def build_recorded(name: str) -> Spc:
        from infernet.app import layer_recorded as recorded  # noqa: PLC0415  (with an HTTP client: heavy)

        if name == "http":
            return recorded.build_http(settings, prices, limits)
        if name == "llm":
            return recorded.build_llm(settings, prices, limits, asks=asks)
        if name == RECORDED_EMBEDDINGS:
            exact = build("embeddings") if "inference" in settings.precompiles else None
            return recorded.build_embeddings(settings, exact, prices, limits, asks=asks)
        embeddings = build(_find_embeddings(settings))
        return recorded.build_rag(settings, embeddings, build("vectors"), prices, limits, asks=asks)

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
