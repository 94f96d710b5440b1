// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CallbackConsumer} from "./CallbackConsumer.sol";

/// @title QuorumConsumer
/// @notice A consumer that asks n nodes and acts once k of them have given the same output, byte for byte.
/// @dev Needs no verifier. The Coordinator makes sure that the n nodes are distinct accounts; whether they are distinct
/// operators it cannot know, and later nodes see what earlier ones have answered. Where money hangs on it, name a
/// verifier in the terms: signatures of bonded nodes, or the sealed quorum.
abstract contract QuorumConsumer is CallbackConsumer {
    /// @notice More than half of n must agree, so that no two outputs can both be agreed on; and n is at least 1.
    error InvalidQuorum(uint16 k, uint16 n);

    /// @notice An answer to a subscription of which no quorum is expected.
    error NoQuorumExpected(uint32 subscriptionId);

    mapping(uint32 id => uint16 k) private _quorums;
    mapping(uint32 id => mapping(uint32 interval => bytes32)) private _agreed;
    mapping(uint32 id => mapping(uint32 interval => mapping(bytes32 outputHash => uint16))) private _counts;

    /// @notice The hash of the output that enough nodes agree on; 0 = none yet.
    function agreedOutputHash(uint32 subscriptionId, uint32 interval) public view returns (bytes32) {
        return _agreed[subscriptionId][interval];
    }

    /// @notice How many nodes have given an output, up to the quorum.
    function outputCount(uint32 subscriptionId, uint32 interval, bytes32 outputHash) public view returns (uint16) {
        return _counts[subscriptionId][interval][outputHash];
    }

    /// @notice Asks n nodes, of which k have to agree.
    /// @param maxGasLimit See `_requestModelOutput`; the callback needs about 50,000 gas more than yours.
    function _requestQuorum(
        string memory containerId,
        bytes memory features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint16 n,
        uint16 k
    ) internal returns (uint32 id) {
        id = _requestModelOutput(containerId, features, maxGasPrice, maxGasLimit, n);
        _expectQuorum(id, n, k);
    }

    /// @notice Expects k equal outputs of n in each interval of a subscription that was made in another way.
    function _expectQuorum(uint32 id, uint16 n, uint16 k) internal {
        if (k > n || uint256(k) * 2 <= n) revert InvalidQuorum(k, n);
        _quorums[id] = k;
    }

    /// @notice Counts the answer. Once k agree, `_receiveAgreedOutput` is called.
    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16,
        address,
        bytes calldata output,
        bytes calldata
    ) internal virtual override {
        uint16 k = _quorums[subscriptionId];
        if (k == 0) revert NoQuorumExpected(subscriptionId);
        if (_agreed[subscriptionId][interval] != 0) return; // late answers change nothing

        bytes32 outputHash = keccak256(output);
        uint16 count = ++_counts[subscriptionId][interval][outputHash];
        if (count < k) return;
        _agreed[subscriptionId][interval] = outputHash;
        _receiveAgreedOutput(subscriptionId, interval, output);
    }

    /// @notice Override: what the contract does with the output. Called once for each interval, or never.
    function _receiveAgreedOutput(uint32 subscriptionId, uint32 interval, bytes calldata output) internal virtual;
}
