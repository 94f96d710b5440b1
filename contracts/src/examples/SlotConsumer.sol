// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StoreConsumer} from "./StoreConsumer.sol";

/// @title SlotConsumer
/// @notice A StoreConsumer that does not count: its callback writes one slot. What gas figures are measured with.
contract SlotConsumer is StoreConsumer {
    constructor(address coordinator, address signer) StoreConsumer(coordinator, signer) {}

    function _receiveModelOutput(uint32, uint32, uint16, address, bytes calldata output, bytes calldata)
        internal
        override
    {
        lastOutput = bytes32(output);
    }
}
