// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A consumer that wants to see answers before they are final (provisional mode).
interface IProvisionalConsumer {
    /// @notice Receives an output that its verifier has not decided on yet. Only the Coordinator may call. The final
    /// call to `rawReceiveModelOutput` follows, or never comes. Failing here has no effect on the delivery.
    function rawReceiveProvisionalOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) external;
}
