// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {SubscriptionConsumer} from "../consumer/SubscriptionConsumer.sol";
import {Dtype, Tensor, Tensors} from "../Tensor.sol";

/// @title DigitsFeed
/// @notice Shows a model one picture per interval, and keeps the answers.
contract DigitsFeed is SubscriptionConsumer {
    event Labelled(uint32 indexed interval, address indexed node, uint256 label);

    error NotAPicture(uint256 length);
    error NotALabel(int256 label);
    error AlreadyStarted(uint32 id);

    uint256 public constant PIXELS = 64;
    uint48 public constant MAX_GAS_PRICE = 1_000 gwei;
    uint32 public constant CALLBACK_GAS = 100_000;

    string public CONTAINER;

    /// @notice The running subscription; 0 = none.
    uint32 public subscriptionId;

    /// @notice Labels by interval.
    mapping(uint32 id => mapping(uint32 interval => uint256 label)) public labels;

    bytes[] private _rows;

    constructor(address coordinator, string memory container) BaseConsumer(coordinator) {
        CONTAINER = container;
    }

    /// @param pixels 64 bytes, one per pixel, row by row.
    function addRow(bytes calldata pixels) external {
        if (pixels.length != PIXELS) revert NotAPicture(pixels.length);
        _rows.push(pixels);
    }

    function rowCount() external view returns (uint256) {
        return _rows.length;
    }

    /// @param period Seconds of an interval.
    /// @param frequency Number of intervals.
    function start(uint32 period, uint256 frequency) external returns (uint32 id) {
        if (subscriptionId != 0) revert AlreadyStarted(subscriptionId);
        uint32 maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        id = _createModelOutputSubscription(CONTAINER, MAX_GAS_PRICE, maxGasLimit, frequency, period, 1);
        subscriptionId = id;
    }

    function stop() external {
        _cancelModelOutputSubscription(subscriptionId);
        subscriptionId = 0;
    }

    /// @notice The row of the interval; from the first again after the last.
    function getModelFeatures(uint32, uint32 interval, uint32, address) external view override returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, uint32(PIXELS));
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, _rows[(interval - 1) % _rows.length]));
    }

    function _receiveModelOutput(
        uint32 id,
        uint32 interval,
        uint16,
        address node,
        bytes calldata output,
        bytes calldata
    ) internal override {
        int256 label = Tensors.decodeInts(output)[0];
        if (label < 0 || label > 9) revert NotALabel(label);
        labels[id][interval] = uint256(label);
        emit Labelled(interval, node, uint256(label));
    }
}
