// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the Coordinator calls to hand over an output.
interface IBaseConsumer {
    /// @notice Only the consumer's Coordinator hands over outputs.
    /// @param caller Who called instead of the Coordinator.
    error NotCoordinator(address caller);

    /// @notice Receives the output of a model. Only the Coordinator may call.
    /// @param subscriptionId The subscription that the output answers.
    /// @param interval The interval it answers, from 1.
    /// @param redundancy This answer's ordinal in its interval, from 1.
    /// @param node The account that delivered.
    /// @param output The model's output, ABI bytes.
    /// @param proof The proof, empty where none was asked for.
    function rawReceiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) external;
}
