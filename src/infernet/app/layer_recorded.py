"""The recorded precompiles of a layer's file, and whom they ask: the producer's own business.

`asks` says whether they will ask anybody. A follower's do not, and need no keys.
"""

from __future__ import annotations

import os

from infernet.errors import NodeMisconfigured
from infernet.layer_settings import EndpointEntry, LayerSettings
from infernet.vm.spc.call import Spc
from infernet.vm.spc.engines import Engines
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.openai import OpenAiEndpoint, OpenAiEngine
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.rag import Rag, SpcEmbedder, SpcRetriever
from infernet.vm.spc.recorded_embeddings import OpenAiEmbedder, RecordedEmbeddings


def build_http(settings: LayerSettings, prices: Prices, limits: Limits) -> Spc:
    return Http(OutboundClient(timeout_s=settings.http.timeout_s), settings.http.hosts, prices, limits)


def build_llm(settings: LayerSettings, prices: Prices, limits: Limits, *, asks: bool) -> Spc:
    return Llm(_open_engines(settings, prices, limits, asks), prices)


def build_embeddings(settings: LayerSettings, exact: Spc | None, prices: Prices, limits: Limits, *, asks: bool) -> Spc:
    embedders = {entry.name: OpenAiEmbedder(*_open_endpoint(entry, asks)) for entry in settings.embedder}
    return RecordedEmbeddings(exact, embedders, prices, limits)


def build_rag(
    settings: LayerSettings, embeddings: Spc, vectors: Spc, prices: Prices, limits: Limits, *, asks: bool
) -> Spc:
    engines = _open_engines(settings, prices, limits, asks)
    return Rag(SpcEmbedder(embeddings), SpcRetriever(vectors), engines, prices, limits)


def _open_engines(settings: LayerSettings, prices: Prices, limits: Limits, asks: bool) -> Engines:
    return Engines({entry.name: OpenAiEngine(*_open_endpoint(entry, asks)) for entry in settings.llm}, prices, limits)


def _open_endpoint(entry: EndpointEntry, asks: bool) -> tuple[OpenAiEndpoint, str]:
    key = None
    if asks and entry.api_key_variable is not None:
        key = os.environ.get(entry.api_key_variable)
        if not key:
            raise NodeMisconfigured(
                "layer.no_api_key", f"set {entry.api_key_variable} to the API key of {entry.name!r}"
            )
    client = OutboundClient(timeout_s=entry.timeout_s, allows=lambda address: True)
    return OpenAiEndpoint(client, entry.url, key), entry.model or entry.name
