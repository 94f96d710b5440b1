// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice How near two vectors are.
enum Metric {
    /// The sum of products; the largest is the nearest.
    InnerProduct,
    /// The sum of squared differences; the smallest is the nearest.
    SquaredDistance,
    /// About 2^20 times the cosine: floor(2^25 · p / floor(32 · √(x · q))), where p is the inner product, x and q the
    /// squared lengths; 0 where one of them is zero. The largest is the nearest.
    Cosine
}

/// @notice One vector of a collection.
struct Item {
    uint256 id;
    /// Anything that searches are to filter by: a kind, an owner, bits.
    uint256 tag;
    /// One int8 for each dimension.
    bytes vector;
    /// Anything that belongs to it; empty, or at most 8 KiB.
    bytes metadata;
}

/// @notice Keeps the vectors whose `tag & mask` is `value`. The mask 0 keeps all.
struct Filter {
    uint256 mask;
    uint256 value;
}

/// @title IVectorDatabase
/// @notice Collections of int8 vectors that contracts own. At 0x0810 of every execution layer that enables it.
/// @dev Assumptions:
/// - Every node searches itself, in integers: all find the same. Of equal scores the lower id comes first.
/// - A collection's root is a function of its vectors alone, not of how they came in.
/// - Who creates a collection owns it. Its owner and the writers that it names change it; everyone reads it.
/// - `upsert`, `remove` and `trainIndex` happen whole or, with a reason, not at all.
/// - An index is a number of lists, each with a centroid; a vector is in the list of its nearest centroid, whenever it
///   came. Training finds the centroids by k-means from 128 vectors for each list (those whose ids have the lowest
///   hashes); it is worth repeating when a collection has changed much. Searching more lists finds more of the nearest.
/// - Gas is charged for the vectors that a search looks at, before it does: all of them, or those of the lists.
interface IVectorDatabase {
    /// @notice Creates a collection of the caller's.
    /// @param name Distinct among the caller's collections, 1 to 200 bytes.
    /// @param dimension 1 to 4,096.
    function createCollection(string calldata name, uint16 dimension, Metric metric)
        external
        returns (bytes32 collection);

    /// @notice The id of an owner's collection, whether it exists or not: `keccak256(abi.encode(owner, name))`.
    function collectionOf(address owner, string calldata name) external view returns (bytes32 collection);

    /// @notice What a collection is.
    /// @return owner Who created it.
    /// @return dimension Of its vectors.
    /// @return metric How near two of them are.
    /// @return lists Of its index, 0 where it has none.
    /// @return count How many vectors it holds.
    /// @return root A commitment to all of them, zero where it is empty.
    function describe(bytes32 collection)
        external
        view
        returns (address owner, uint16 dimension, Metric metric, uint16 lists, uint64 count, bytes32 root);

    /// @notice Lets an account change the collection, or no longer. Only its owner may.
    function setWriter(bytes32 collection, address account, bool allowed) external;

    /// @notice Whether an account may change the collection.
    function isWriter(bytes32 collection, address account) external view returns (bool);

    /// @notice Adds vectors, or replaces those with the same ids. 1 to 1,024 at a time.
    function upsert(bytes32 collection, Item[] calldata items) external;

    /// @notice Takes vectors away, all of which must be there.
    function remove(bytes32 collection, uint256[] calldata ids) external;

    /// @notice Builds the index anew, for the vectors that are there now.
    /// @param lists 1 to 1,024, and no more than there are vectors; about the square root of their number.
    function trainIndex(bytes32 collection, uint16 lists) external;

    /// @notice Takes the index away.
    function dropIndex(bytes32 collection) external;

    /// @notice Whether there is a vector of that id.
    function contains(bytes32 collection, uint256 id) external view returns (bool);

    /// @notice The vector of that id, with its tag and metadata.
    function get(bytes32 collection, uint256 id) external view returns (Item memory item);

    /// @notice The `k` nearest of all vectors that the filter keeps, or all of these if they are fewer.
    /// @param query One int8 for each dimension.
    /// @param k 1 to 1,024.
    function search(bytes32 collection, bytes calldata query, uint16 k, Filter calldata filter)
        external
        view
        returns (uint256[] memory ids, int256[] memory scores);

    /// @notice The `k` nearest of those in the `probes` lists whose centroids are nearest to the query.
    function searchApproximate(
        bytes32 collection,
        bytes calldata query,
        uint16 k,
        uint16 probes,
        Filter calldata filter
    ) external view returns (uint256[] memory ids, int256[] memory scores);
}
