// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A consumer in pull mode that says on chain what the features of an interval are, so that proofs can be bound
/// to them.
interface IFeaturesCommitter {
    /// @notice keccak256 of the features of an interval; 0 = not committed yet, and nothing is accepted. Must answer
    /// (with anything) for an id that does not exist yet: it is asked when a subscription is created.
    function featuresHashOf(uint32 subscriptionId, uint32 interval) external view returns (bytes32);
}
