"""The file of a layer: one TOML file, from which its first block and everything after it follows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from infernet.settings import AddressField, Section, read_toml

Predeploy = Literal["suite", "multicall3", "weth"]
Precompile = Literal[
    "inference",
    "http",
    "llm",
    "vectors",
    "embeddings",
    "embeddings-recorded",
    "rag",
    "training",
    "proofs",
    "scheduler",
]
Wei = Annotated[int, Field(ge=0, lt=2**256)]
_EVERYTHING_EXACT: tuple[Precompile, ...] = ("inference", "vectors", "embeddings", "scheduler")


class AccountEntry(Section):
    """An account of the first block; ether for reading, wei for programs."""

    ether: int = Field(default=0, ge=0, lt=2**160)
    wei: int = Field(default=0, ge=0, lt=2**160)


class HttpEntry(Section):
    """Whom contracts may ask over HTTP: the producer's own business, and in no block."""

    hosts: tuple[str, ...] = ()
    timeout_s: float = Field(default=5.0, gt=0, le=60)


class EndpointEntry(Section):
    """A model behind an OpenAI-compatible URL: the producer's own business as well."""

    name: str
    url: str
    model: str | None = None
    api_key_variable: str | None = None
    timeout_s: float = Field(default=60.0, gt=0, le=600)


class TrainingEntry(Section):
    """Which training jobs the producer takes: its own business too."""

    min_fee_wei: Wei = 0
    fee_covers_gas: bool = False
    timeout_s: float = Field(default=600.0, gt=0, le=86_400)


class WitnessesEntry(Section):
    """Who seals the blocks beside the producer, and how many of them a block needs."""

    addresses: tuple[AddressField, ...] = ()
    threshold: int = Field(default=0, ge=0)


class LayerSettings(Section):
    """The whole file."""

    chain_id: int = Field(default=31337, gt=0, lt=2**53)
    timestamp: int = Field(default=1_767_225_600, ge=0, lt=2**40)
    gas_limit: int = Field(default=60_000_000, ge=1_000_000, lt=2**48)
    base_fee_wei: int = Field(default=10**9, ge=7, lt=2**64)
    block_time_s: float = Field(default=0.0, ge=0, le=3600)
    producer: AddressField | None = None
    dev_accounts: bool = True
    predeploys: tuple[Predeploy, ...] = ("suite", "multicall3", "weth")
    precompiles: tuple[Precompile, ...] = _EVERYTHING_EXACT
    models: tuple[str, ...] = ()
    prices: dict[str, bool | int] = Field(default_factory=dict)
    limits: dict[str, bool | int] = Field(default_factory=dict)
    accounts: dict[AddressField, AccountEntry] = Field(default_factory=dict)
    witnesses: WitnessesEntry = WitnessesEntry()
    http: HttpEntry = HttpEntry()
    llm: tuple[EndpointEntry, ...] = ()
    embedder: tuple[EndpointEntry, ...] = ()
    training: TrainingEntry = TrainingEntry()


def read_layer(path: Path) -> LayerSettings:
    """The layer of a file.

    Raises:
        NodeMisconfigured: as `read_settings`.
    """
    settings = read_toml(path, LayerSettings, made_by="infernet chain init")
    return settings.model_copy(update={"models": tuple(str(path.parent / model) for model in settings.models)})


TEMPLATE = """\
# A layer of Infernet: an EVM chain whose precompiles run models. Everything down to the line below is part of its first
# block, so that whoever follows the chain needs this file. Start it with 'infernet chain run --layer FILE'.

chain_id = {chain_id}
gas_limit = 60000000             # of a block
base_fee_wei = 1000000000        # of the first block, per gas
block_time_s = 1.0               # 0: a block for each transaction
timestamp = 1767225600           # of the first block, seconds since 1970
# producer = "0x..."             # who makes the blocks; without it an account whose key everybody knows
dev_accounts = true              # ten accounts with 10,000 ether each, whose keys everybody knows

# What stands in the first block: Infernet's contracts at the addresses that they have everywhere, and two usual ones.
predeploys = ["suite", "multicall3", "weth"]

# Also: "proofs" (needs the extra zk), "training", "http", "llm", "rag" (with vectors, embeddings and llm), and
# "embeddings-recorded" in the place of "embeddings": it asks float models too, and blocks hold what they answered.
precompiles = ["inference", "vectors", "embeddings", "scheduler"]

# Models that stand in the first block: their folders, seen from this file.
models = []

[prices]                         # gas, where it is not the default of infernet/vm/spc/prices.py
# kilomac = 20

[limits]
# neighbours = 1024
# rounded_models = false         # integer models alone

[accounts]                       # more of the first block
# "0x..." = {{ ether = 100 }}

[witnesses]                      # who asks again what precompiles were answered, and seals the blocks
# addresses = ["0x...", "0x...", "0x..."]
# threshold = 2                  # so many of them seal a block before others take it

# --- The producer's own business, in no block -----------------------------------------------------------------------

[http]
hosts = []                       # whom contracts may ask: "api.example.org"
timeout_s = 5.0

[training]                       # jobs that contracts ask for
min_fee_wei = 0                  # what pays less is left to its deadline
fee_covers_gas = false           # true: it must pay for the gas of the models and of the answer too
timeout_s = 600.0

# [[llm]]                        # language models behind an OpenAI-compatible URL
# name = "small"                 # as contracts call it
# url = "http://127.0.0.1:8000/v1"
# model = "name-of-the-engine"   # as the engine calls it
# api_key_variable = "LLM_KEY"   # the environment variable that holds the key

# [[embedder]]                   # float models for "embeddings-recorded", with the same keys
# name = "small"                 # contracts call it by keccak256 of this
# url = "http://127.0.0.1:8000/v1"
"""
