// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IBaseConsumer} from "../interfaces/IBaseConsumer.sol";
import {ICoordinator} from "../interfaces/ICoordinator.sol";

/// @title BaseConsumer
/// @notice A contract that receives the outputs of models.
/// @dev A consumer inherits `CallbackConsumer`, `SubscriptionConsumer` or both, and calls this constructor itself:
/// `contract Mine is CallbackConsumer { constructor(address coordinator) BaseConsumer(coordinator) {} }`.
abstract contract BaseConsumer is IBaseConsumer {
    /// @notice The only account that may hand over outputs.
    ICoordinator public immutable COORDINATOR;

    /// @param coordinator The Coordinator: its address does not change any more.
    constructor(address coordinator) {
        COORDINATOR = ICoordinator(coordinator);
    }

    /// @inheritdoc IBaseConsumer
    function rawReceiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) external {
        if (msg.sender != address(COORDINATOR)) revert NotCoordinator(msg.sender);
        _receiveModelOutput(subscriptionId, interval, redundancy, node, output, proof);
    }

    /// @notice Override: what the contract does with an output.
    /// @dev Reverting refuses it: the delivery is undone and another node may answer. The call has exactly
    /// `maxGasLimit - DELIVERY_OVERHEAD_WEI` gas. Creating and cancelling subscriptions is allowed here.
    /// Anyone may be `node` unless the subscription names one: check the output before you trust it.
    /// @param subscriptionId The subscription that the output answers.
    /// @param interval The interval it answers, from 1.
    /// @param redundancy This answer's ordinal in its interval, from 1.
    /// @param node The account that delivered.
    /// @param output The model's output.
    /// @param proof The proof, empty where none was asked for.
    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal virtual;
}
