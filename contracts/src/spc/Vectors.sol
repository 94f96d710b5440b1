// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Filter, Item, IVectorDatabase, Metric} from "./IVectorDatabase.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @notice A collection of the vector database.
type Collection is bytes32;

using Vectors for Collection global;

/// @title Vectors
/// @notice The vector database in a line.
library Vectors {
    IVectorDatabase internal constant DATABASE = IVectorDatabase(SpcAddresses.VECTOR_DATABASE);

    /// @notice Creates a collection of this contract's.
    function create(string memory name, uint16 dimension, Metric metric) internal returns (Collection) {
        return Collection.wrap(DATABASE.createCollection(name, dimension, metric));
    }

    /// @notice Adds or replaces one vector.
    function put(Collection collection, uint256 id, bytes memory vector) internal {
        put(collection, Item(id, 0, vector, ""));
    }

    /// @notice Adds or replaces one vector with its tag and metadata.
    function put(Collection collection, Item memory item) internal {
        Item[] memory items = new Item[](1);
        items[0] = item;
        DATABASE.upsert(Collection.unwrap(collection), items);
    }

    /// @notice Takes one vector away.
    function remove(Collection collection, uint256 id) internal {
        uint256[] memory ids = new uint256[](1);
        ids[0] = id;
        DATABASE.remove(Collection.unwrap(collection), ids);
    }

    /// @notice The vector of that id.
    function get(Collection collection, uint256 id) internal view returns (Item memory) {
        return DATABASE.get(Collection.unwrap(collection), id);
    }

    /// @notice The `k` nearest vectors.
    function search(Collection collection, bytes memory query, uint16 k)
        internal
        view
        returns (uint256[] memory ids, int256[] memory scores)
    {
        return DATABASE.search(Collection.unwrap(collection), query, k, Filter(0, 0));
    }

    /// @notice The `k` nearest vectors whose tag is `tag`.
    function searchTagged(Collection collection, bytes memory query, uint16 k, uint256 tag)
        internal
        view
        returns (uint256[] memory ids, int256[] memory scores)
    {
        return DATABASE.search(Collection.unwrap(collection), query, k, Filter(type(uint256).max, tag));
    }
}
