// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Clock, IScheduler, Order} from "./IScheduler.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @title Scheduled
/// @notice What a contract inherits to call itself in later blocks.
abstract contract Scheduled {
    IScheduler internal constant SCHEDULER = IScheduler(SpcAddresses.SCHEDULER);

    /// @notice The caller is not the Scheduler, or the Scheduler runs a call that another has scheduled.
    error NotScheduled(address caller, address owner);

    /// @dev For functions that only this contract's own scheduled calls may enter.
    modifier onlyScheduled() {
        _checkScheduled();
        _;
    }

    /// @dev Calls `data` on this contract in block `number`, or as soon after as it fits. Paid from this contract's
    /// balance at the Scheduler, to which `value` of its ETH is added.
    function _scheduleAtBlock(uint40 number, bytes memory data, uint32 gasLimit, uint96 maxFeePerGas, uint256 value)
        internal
        returns (uint64 id)
    {
        return
            SCHEDULER.schedule{value: value}(Order(address(this), gasLimit, maxFeePerGas, Clock.Block, number, 0), data);
    }

    /// @dev As `_scheduleAtBlock`, in the first block of `timestamp` (seconds) or later.
    function _scheduleAtTime(uint40 timestamp, bytes memory data, uint32 gasLimit, uint96 maxFeePerGas, uint256 value)
        internal
        returns (uint64 id)
    {
        return
            SCHEDULER.schedule{value: value}(
                Order(address(this), gasLimit, maxFeePerGas, Clock.Time, timestamp, 0), data
            );
    }

    function _checkScheduled() private view {
        if (msg.sender != address(SCHEDULER)) revert NotScheduled(msg.sender, address(0));
        (, address owner) = SCHEDULER.running();
        if (owner != address(this)) revert NotScheduled(msg.sender, owner);
    }
}
