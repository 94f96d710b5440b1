// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Subscription} from "../Subscription.sol";
import {BaseConsumer} from "./BaseConsumer.sol";

/// @title CallbackConsumer
/// @notice A consumer that asks once and is answered once (or `redundancy` times, by distinct nodes).
/// @dev What is paid comes from this contract's balance in the Coordinator's ledger, or from that of a payer who has
/// allowed it. Anyone may `COORDINATOR.deposit` for it.
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

    /// @notice Asks with full terms: a fee, a verifier, a named node, a deadline.
    /// @param s The terms. Owner, hashes, frequency and start are filled in here; a fee needs a deadline.
    /// @param container Name of the container, or a chain "A,B,C".
    /// @param features Input of the container; empty features are an input too.
    /// @param verifierParams Parameters of `s.verifier`; empty where it has none.
    /// @return id The subscription that the answers will carry.
    function _requestWithTerms(
        Subscription memory s,
        string memory container,
        bytes memory features,
        bytes memory verifierParams
    ) internal returns (uint32 id) {
        s.owner = address(this);
        s.containerId = keccak256(bytes(container));
        s.featuresHash = keccak256(features);
        s.frequency = 1;
        s.activeAt = uint40(block.timestamp);
        s.verifierParams = verifierParams.length == 0 ? bytes32(0) : keccak256(verifierParams);
        return COORDINATOR.createSubscription(s, container, features, verifierParams);
    }
}
