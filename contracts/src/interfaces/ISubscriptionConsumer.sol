// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A consumer whose subscriptions read their features when an interval starts (pull mode).
interface ISubscriptionConsumer {
    /// @notice The features of one interval. Nodes call it at the first block at or after the interval's start.
    /// @param subscriptionId The subscription.
    /// @param interval The interval, from 1.
    /// @param timestamp The start of the interval, in seconds since the epoch.
    /// @param caller The node that asks.
    /// @return features What the first container is given.
    function getModelFeatures(uint32 subscriptionId, uint32 interval, uint32 timestamp, address caller)
        external
        view
        returns (bytes memory features);
}
