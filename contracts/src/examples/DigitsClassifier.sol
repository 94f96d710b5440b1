// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../consumer/CallbackConsumer.sol";
import {Dtype, Tensor, Tensors} from "../Tensor.sol";

/// @title DigitsClassifier
/// @notice Asks a model which digit an 8 × 8 picture shows, and keeps the answer.
contract DigitsClassifier is CallbackConsumer {
    event Classified(uint32 indexed id, address indexed node, uint256 label);

    error NotAPicture(uint256 length);
    error NotALabel(int256 label);

    uint256 public constant PIXELS = 64;
    uint48 public constant MAX_GAS_PRICE = 1_000 gwei;
    uint32 public constant CALLBACK_GAS = 100_000;

    string public CONTAINER;

    struct Answer {
        uint8 label;
        uint16 count;
    }

    /// @notice The last label per subscription and the number of answers.
    mapping(uint32 id => Answer) public answers;

    constructor(address coordinator, string memory container) BaseConsumer(coordinator) {
        CONTAINER = container;
    }

    /// @param pixels 64 bytes, one per pixel, row by row.
    function classify(bytes calldata pixels) external returns (uint32 id) {
        return classify(pixels, 1);
    }

    /// @param redundancy Number of distinct nodes to ask.
    function classify(bytes calldata pixels, uint16 redundancy) public returns (uint32 id) {
        if (pixels.length != PIXELS) revert NotAPicture(pixels.length);
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, uint32(PIXELS));
        bytes memory features = Tensors.encode(Tensor(Dtype.UINT8, 0, shape, pixels));
        uint32 maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        return _requestModelOutput(CONTAINER, features, MAX_GAS_PRICE, maxGasLimit, redundancy);
    }

    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata
    ) internal override {
        int256 label = Tensors.decodeInts(output)[0];
        if (label < 0 || label > 9) revert NotALabel(label);
        answers[subscriptionId] = Answer(uint8(uint256(label)), redundancy);
        emit Classified(subscriptionId, node, uint256(label));
    }
}
