// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IProvisionalConsumer} from "../interfaces/IProvisionalConsumer.sol";
import {BaseConsumer} from "./BaseConsumer.sol";

/// @title ProvisionalConsumer
/// @notice A consumer that sees answers before its verifier has decided on them.
abstract contract ProvisionalConsumer is BaseConsumer, IProvisionalConsumer {
    /// @inheritdoc IProvisionalConsumer
    function rawReceiveProvisionalOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) external {
        if (msg.sender != address(COORDINATOR)) revert NotCoordinator(msg.sender);
        _receiveProvisionalOutput(subscriptionId, interval, redundancy, node, output, proof);
    }

    /// @notice Override: what the contract does with an output that may yet turn out wrong.
    function _receiveProvisionalOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal virtual;
}
