"""The vector database's functions, as `contracts/src/spc/IVectorDatabase.sol` declares them."""

from __future__ import annotations

from infernet.types import Address
from infernet.vm.spc import addresses
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.state import ZERO_WORD, SpcState
from infernet.vm.spc.vectors import collection as storage
from infernet.vm.spc.vectors.access import open_collection
from infernet.vm.spc.vectors.collection import Collection, compute_collection_id
from infernet.vm.spc.vectors.loaded import LoadedCollections
from infernet.vm.spc.vectors.metric import Metric
from infernet.vm.spc.vectors.products import one_thread
from infernet.vm.spc.vectors.reading import Reading
from infernet.vm.spc.vectors.writing import Writing

_MOST_NAME_BYTES = 200
_ITEM = "(uint256,uint256,bytes,bytes)"
_FILTER = "(uint256,uint256)"
_FOUND = "(uint256[],int256[])"


class VectorDatabase:
    """Collections of int8 vectors: their owners and those that these name write, everybody reads."""

    address = addresses.VECTOR_DATABASE
    name = "vectors"
    recorded = False

    def __init__(self, prices: Prices, limits: Limits, loaded: LoadedCollections | None = None) -> None:
        self._prices = prices
        self._limits = limits
        writing, reading = Writing(prices, limits), Reading(prices, limits, loaded or LoadedCollections())
        self._methods = Methods(
            prices,
            {
                "createCollection(string,uint16,uint8) returns (bytes32)": self._create,
                "collectionOf(address,string) view returns (bytes32)": self._identify,
                "describe(bytes32) view returns (address,uint16,uint8,uint16,uint64,bytes32)": self._describe,
                "setWriter(bytes32,address,bool)": self._set_writer,
                "isWriter(bytes32,address) view returns (bool)": self._is_writer,
                f"upsert(bytes32,{_ITEM}[])": writing.upsert,
                "remove(bytes32,uint256[])": writing.remove,
                "trainIndex(bytes32,uint16)": writing.train_index,
                "dropIndex(bytes32)": writing.drop_index,
                "contains(bytes32,uint256) view returns (bool)": reading.contains,
                f"get(bytes32,uint256) view returns ({_ITEM})": reading.get,
                f"search(bytes32,bytes,uint16,{_FILTER}) view returns {_FOUND}": reading.search,
                f"searchApproximate(bytes32,bytes,uint16,uint16,{_FILTER}) view returns {_FOUND}": (
                    reading.search_approximate
                ),
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        with one_thread():
            return self._methods.run(call)

    def _create(self, call: SpcCall, name: str, dimension: int, metric: int) -> bytes:
        if not 1 <= len(name.encode()) <= _MOST_NAME_BYTES:
            raise SpcRevert(f"a collection's name has 1 to {_MOST_NAME_BYTES} bytes")
        if not 1 <= dimension <= self._limits.dimension:
            raise SpcRevert(f"a vector has 1 to {self._limits.dimension} dimensions, not {dimension}")
        if metric not in set(Metric):
            raise SpcRevert(f"there is no metric {metric}")
        state, identity = SpcState(call, self._prices), compute_collection_id(call.caller, name)
        if storage.exists(state, identity):
            raise SpcRevert(f"the caller has a collection of the name {name} already")
        storage.write_collection(state, Collection(identity, call.caller, dimension, Metric(metric), 0, 0, ZERO_WORD))
        return identity

    def _identify(self, _: SpcCall, owner: Address, name: str) -> bytes:
        return compute_collection_id(owner, name)

    def _describe(self, call: SpcCall, identity: bytes) -> tuple[Address, int, int, int, int, bytes]:
        found = open_collection(call, self._prices, identity).collection
        return found.owner, found.dimension, int(found.metric), found.lists, found.count, found.root

    def _set_writer(self, call: SpcCall, identity: bytes, account: Address, allowed: bool) -> None:
        opened = open_collection(call, self._prices, identity)
        if call.caller != opened.collection.owner:
            raise SpcRevert("only its owner says who writes to a collection")
        storage.write_writer(opened.state, identity, account, allowed=allowed)

    def _is_writer(self, call: SpcCall, identity: bytes, account: Address) -> bool:
        opened = open_collection(call, self._prices, identity)
        return storage.is_writer(opened.state, opened.collection, account)
