// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISubscriptionConsumer} from "../interfaces/ISubscriptionConsumer.sol";
import {BaseConsumer} from "./BaseConsumer.sol";

/// @title SubscriptionConsumer
/// @notice A consumer that is answered once per interval, from features that it shows when the interval starts.
abstract contract SubscriptionConsumer is BaseConsumer, ISubscriptionConsumer {
    /// @inheritdoc ISubscriptionConsumer
    function getModelFeatures(uint32 subscriptionId, uint32 interval, uint32 timestamp, address caller)
        external
        view
        virtual
        returns (bytes memory features);

    /// @notice Subscribes to the output of a container. The first interval begins at now + `period`.
    /// @param containerId Name of the container, or a chain "A,B,C".
    /// @param maxGasPrice In wei; deliveries at a higher gas price revert.
    /// @param maxGasLimit Gas of the callback plus `COORDINATOR.DELIVERY_OVERHEAD_WEI()`.
    /// @param frequency Number of intervals; type(uint256).max is perpetual.
    /// @param period Seconds of an interval.
    /// @param redundancy Number of distinct nodes that answer each interval.
    /// @return id The subscription.
    function _createModelOutputSubscription(
        string memory containerId,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) internal returns (uint32 id) {
        return COORDINATOR.createSubscription(containerId, "", maxGasPrice, maxGasLimit, frequency, period, redundancy);
    }

    /// @notice Cancels a subscription of this contract.
    function _cancelModelOutputSubscription(uint32 id) internal {
        COORDINATOR.cancelSubscription(id);
    }
}
