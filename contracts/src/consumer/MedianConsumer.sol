// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CallbackConsumer} from "./CallbackConsumer.sol";
import {Tensors} from "../Tensor.sol";

/// @title MedianConsumer
/// @notice A consumer that asks n nodes for a number and acts on the median of the first k.
/// @dev Fewer than half of them, however wrong, cannot move the median out of the range of the others. What is said of
/// `QuorumConsumer` holds here too: accounts are distinct, operators may not be, and later nodes see earlier answers.
abstract contract MedianConsumer is CallbackConsumer {
    /// @notice From 1 to n, and at most `MAX_ANSWERS`.
    error InvalidMedian(uint16 k, uint16 n);

    /// @notice An answer to a subscription of which no median is expected.
    error NoMedianExpected(uint32 subscriptionId);

    /// @notice The output holds no number.
    error NotANumber(bytes output);

    /// @notice Sorting more would cost too much.
    uint16 public constant MAX_ANSWERS = 31;

    mapping(uint32 id => uint16 k) private _wanted;
    mapping(uint32 id => mapping(uint32 interval => int256[])) private _values;

    /// @notice The numbers that are there, in the order of the answers.
    function valuesOf(uint32 subscriptionId, uint32 interval) public view returns (int256[] memory) {
        return _values[subscriptionId][interval];
    }

    /// @notice Asks n nodes; the median of the first k answers counts.
    /// @param maxGasLimit See `_requestModelOutput`; beside what your own code needs, the callback takes up to
    /// 60,000 + 2,500 · k + 150 · k² gas.
    function _requestMedian(
        string memory containerId,
        bytes memory features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint16 n,
        uint16 k
    ) internal returns (uint32 id) {
        id = _requestModelOutput(containerId, features, maxGasPrice, maxGasLimit, n);
        _expectMedian(id, n, k);
    }

    /// @notice Expects the median of k of n answers in each interval of a subscription that was made in another way.
    function _expectMedian(uint32 id, uint16 n, uint16 k) internal {
        if (k == 0 || k > n || k > MAX_ANSWERS) revert InvalidMedian(k, n);
        _wanted[id] = k;
    }

    /// @notice Keeps the number. With the k-th, `_receiveMedian` is called.
    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16,
        address,
        bytes calldata output,
        bytes calldata
    ) internal virtual override {
        uint16 k = _wanted[subscriptionId];
        if (k == 0) revert NoMedianExpected(subscriptionId);
        int256[] storage values = _values[subscriptionId][interval];
        if (values.length == k) return; // late answers change nothing

        values.push(_readNumber(output));
        if (values.length == k) _receiveMedian(subscriptionId, interval, _median(values));
    }

    /// @notice Override where outputs are not `abi.encode(int256[])`; the first number counts.
    function _readNumber(bytes calldata output) internal virtual returns (int256) {
        int256[] memory numbers = Tensors.decodeInts(output);
        if (numbers.length == 0) revert NotANumber(output);
        return numbers[0];
    }

    /// @notice Override: what the contract does with the median; of an even number the lower of the middle two.
    /// Called once for each interval, or never.
    function _receiveMedian(uint32 subscriptionId, uint32 interval, int256 median) internal virtual;

    /// @dev Sorted by insertion, in memory.
    function _median(int256[] memory values) private pure returns (int256) {
        unchecked {
            for (uint256 i = 1; i < values.length; ++i) {
                int256 value = values[i];
                uint256 j = i;
                for (; j > 0 && values[j - 1] > value; --j) {
                    values[j] = values[j - 1];
                }
                values[j] = value;
            }
        }
        return values[(values.length - 1) / 2];
    }
}
