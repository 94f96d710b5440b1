// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BaseConsumer} from "./BaseConsumer.sol";

/// @title CallbackConsumer
/// @notice A consumer that asks once and is answered once (or `redundancy` times, by distinct nodes).
abstract contract CallbackConsumer is BaseConsumer {
    /// @notice The Coordinator would take empty features for pull mode. A container that needs no input is asked with
    /// `COORDINATOR.createSubscription(Subscription, container, "")`, where pull mode is a bit of its own.
    error EmptyFeatures();

    /// @notice Asks for the output of a container.
    /// @param containerId Name of the container, or a chain "A,B,C".
    /// @param features Input of the container; not empty.
    /// @param maxGasPrice In wei; deliveries at a higher gas price revert.
    /// @param maxGasLimit Gas of the callback plus `COORDINATOR.DELIVERY_OVERHEAD_WEI()`.
    /// @param redundancy Number of distinct nodes that answer.
    /// @return id The subscription that the answers will carry.
    function _requestModelOutput(
        string memory containerId,
        bytes memory features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint16 redundancy
    ) internal returns (uint32 id) {
        if (features.length == 0) revert EmptyFeatures();
        return COORDINATOR.createSubscription(containerId, features, maxGasPrice, maxGasLimit, 1, 0, redundancy);
    }
}
