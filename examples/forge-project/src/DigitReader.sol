// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BaseConsumer} from "@infernet/contracts/consumer/BaseConsumer.sol";
import {CallbackConsumer} from "@infernet/contracts/consumer/CallbackConsumer.sol";
import {SubscriptionConsumer} from "@infernet/contracts/consumer/SubscriptionConsumer.sol";
import {Subscription} from "@infernet/contracts/Subscription.sol";
import {Dtype, Tensor, Tensors} from "@infernet/contracts/Tensor.sol";

/// Reads digits in pictures of 8 × 8 pixels: one for a fee, or what stands on the board once a day.
contract DigitReader is CallbackConsumer, SubscriptionConsumer {
    uint128 public constant FEE = 0.001 ether;
    uint48 private constant MAX_GAS_PRICE = 1_000 gwei;
    uint32 private constant CALLBACK_GAS = 60_000;
    string private constant CONTAINER = "demo/digits:1";

    mapping(uint32 id => mapping(uint32 interval => uint256)) public labels;
    bytes public board;

    error NotALabel(int256 label);

    constructor(address coordinator) BaseConsumer(coordinator) {}

    function read(bytes calldata pixels) external payable returns (uint32 id) {
        COORDINATOR.deposit{value: msg.value}(address(this), address(0), FEE);
        Subscription memory s;
        s.redundancy = 1;
        s.maxGasPrice = MAX_GAS_PRICE;
        s.maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        s.fee = FEE;
        s.deadline = uint40(block.timestamp + 1 hours);
        return _requestWithTerms(s, CONTAINER, _encode(pixels), "");
    }

    function readDaily(uint256 frequency) external returns (uint32 id) {
        uint32 maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        return _createModelOutputSubscription(CONTAINER, MAX_GAS_PRICE, maxGasLimit, frequency, 1 days, 1);
    }

    function write(bytes calldata pixels) external {
        board = pixels;
    }

    function getModelFeatures(uint32, uint32, uint32, address) external view override returns (bytes memory) {
        return _encode(board);
    }

    function _encode(bytes memory pixels) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 64);
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, pixels));
    }

    function _receiveModelOutput(uint32 id, uint32 interval, uint16, address, bytes calldata output, bytes calldata)
        internal
        override
    {
        int256 label = Tensors.decodeInts(output)[0];
        if (label < 0 || label > 9) revert NotALabel(label);
        labels[id][interval] = uint256(label);
    }
}
