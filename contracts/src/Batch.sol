// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {Lock} from "./Lock.sol";
import {RevertReason} from "./RevertReason.sol";

/// @title Batch
/// @notice Several calls in one transaction. Each runs in the caller's name, as if it were made alone.
abstract contract Batch is ICoordinator, Lock {
    uint256 private constant MAX_REASON = 512;

    /// @inheritdoc ICoordinator
    function multicall(bytes[] calldata calls) external {
        _checkOverlap(calls);
        for (uint256 i; i < calls.length; ++i) {
            if (_selector(calls[i]) == ICoordinator.multicall.selector) revert NestedMulticall(i);
            if (!_run(calls[i])) RevertReason.bubble();
        }
    }

    /// @inheritdoc ICoordinator
    function deliverModelOutputs(bytes[] calldata deliveries) external {
        _checkFree();
        _checkOverlap(deliveries);
        for (uint256 i; i < deliveries.length; ++i) {
            _tryDelivery(deliveries[i], i);
        }
    }

    function _tryDelivery(bytes calldata delivery, uint256 index) private {
        // Check
        bytes4 selector = _selector(delivery);
        if (!_isDelivery(selector)) revert NotADelivery(index, selector);

        // Interaction
        uint256 gasBefore = gasleft();
        if (_run(delivery)) return;

        bytes memory reason = RevertReason.read(MAX_REASON);
        if (bytes4(reason) == InsufficientGas.selector) RevertReason.bubble();
        RevertReason.checkGas(reason, gasBefore);
        emit DeliveryFailed(msg.sender, index, reason);
    }

    /// @dev One call, in the caller's name. Its memory is used again by the next.
    function _run(bytes calldata data) private returns (bool ok) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, data.offset, data.length)
            ok := delegatecall(gas(), address(), free, data.length, 0, 0)
        }
    }

    /// @dev What a batch may hold.
    function _isDelivery(bytes4 selector) internal pure virtual returns (bool) {
        return selector == ICoordinator.deliverModelOutput.selector || selector == ICoordinator.settle.selector;
    }

    function _selector(bytes calldata data) private pure returns (bytes4) {
        return data.length < 4 ? bytes4(0) : bytes4(data[:4]);
    }

    /// @dev Items that shared their bytes would make a batch cost more than its calldata does.
    function _checkOverlap(bytes[] calldata items) private pure {
        uint256 length;
        for (uint256 i; i < items.length; ++i) {
            length += items[i].length;
        }
        if (length > msg.data.length) revert Overlapping(length, msg.data.length);
    }
}
