// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../consumer/CallbackConsumer.sol";
import {Delegator} from "../consumer/Delegator.sol";
import {Tensors} from "../Tensor.sol";

/// @title SignedDigits
/// @notice Is asked for by its signer, off chain: request and answer arrive in one transaction of the node.
contract SignedDigits is CallbackConsumer, Delegator {
    event Classified(uint32 indexed id, address indexed node, uint256 label);

    error NotALabel(int256 label);

    uint32 public lastId;
    uint8 public lastLabel;

    constructor(address coordinator, address signer) BaseConsumer(coordinator) Delegator(signer) {}

    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32,
        uint16,
        address node,
        bytes calldata output,
        bytes calldata
    ) internal override {
        int256 label = Tensors.decodeInts(output)[0];
        if (label < 0 || label > 9) revert NotALabel(label);
        lastId = subscriptionId;
        lastLabel = uint8(uint256(label));
        emit Classified(subscriptionId, node, uint256(label));
    }
}
