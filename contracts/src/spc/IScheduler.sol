// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurse} from "./IPurse.sol";

/// @notice What a scheduled call waits for: a block's number, or a block's timestamp.
enum Clock {
    Block,
    Time
}

/// @notice A call to be made later.
struct Order {
    address target;
    /// Gas that the call gets, exactly.
    uint32 gasLimit;
    /// Wei; the call is not made in a block whose base fee is higher.
    uint96 maxFeePerGas;
    Clock clock;
    /// The block's number or timestamp (seconds) from which on it is made.
    uint40 when;
    /// Blocks or seconds from one call to the next; 0: it is made once.
    uint32 every;
}

/// @title IScheduler
/// @notice Calls that contracts make in later blocks, paid in advance. At 0x0830 of every execution layer that enables it.
/// @dev Assumptions:
/// - On an execution layer a block in which a call is due begins with a transaction of its producer that calls `runDue`;
///   followers refuse any other block. On another chain anyone may call `runDue`, and is paid for it.
/// - Money: `quoteSchedule(gasLimit, maxFeePerGas)` wei of the owner's balance are locked for each call to come. A call
///   pays for the gas that it used and for its handling, at the block's base fee and an eighth, never more than
///   `maxFeePerGas`; the rest returns to the owner's balance.
/// - Order: of two calls that wait for the same clock, the one due earlier is made first, then the one of the lower id.
///   The two clocks take turns. What does not fit into one block is made in the next ones; whoever schedules later than
///   a call falls due cannot get ahead of it.
/// - A call that reverts, burns all of its gas, or returns a megabyte pays as any other, and disturbs no other.
/// - The caller that the target sees is the Scheduler, whoever scheduled the call: a target that cares asks `running`
///   for the owner, as `Scheduled` does.
/// - A call that is made costs its runner nothing: `maxFeePerGas` is then the base fee or more. It has to be that when the
///   call is scheduled, too, and is never zero.
/// - Where the base fee is above `maxFeePerGas` when its turn comes, the call is missed: it is not made, and what is
///   locked returns, less its handling. A recurring one ends with it.
interface IScheduler is IPurse {
    /// @notice `owner` has scheduled a call.
    event CallScheduled(uint64 indexed id, address indexed owner, Order order, bytes data);

    /// @notice A call was made.
    /// @param ok Whether it succeeded.
    /// @param reason The first 256 bytes of its revert data where it did not.
    /// @param paidWei What its owner paid.
    event CallExecuted(uint64 indexed id, address indexed owner, bool ok, bytes reason, uint256 paidWei);

    /// @notice A call was not made: the block's base fee was too high, or its gas no longer fits into a block. It is over,
    /// a recurring one too.
    event CallMissed(uint64 indexed id, address indexed owner, uint256 baseFee, uint256 paidWei);

    /// @notice A recurring call ends: its owner's balance does not cover the next turn.
    event CallUnfunded(uint64 indexed id, address indexed owner, uint256 requiredWei);

    /// @notice Its owner has cancelled a call.
    event CallCancelled(uint64 indexed id, address indexed owner);

    /// @notice There is no such call to come: it was made, cancelled, or never there.
    error UnknownCall(uint64 id);

    /// @notice Only its owner may cancel a call.
    error NotOwner(uint64 id, address owner);

    /// @notice The target is zero or the Scheduler itself.
    error InvalidTarget(address target);

    /// @notice No call may have more gas than `maxGasLimit()`, so that each fits into a block.
    error GasLimitTooHigh(uint256 gasLimit, uint256 maximum);

    /// @notice `when` is not after the present block.
    error NotInTheFuture(uint256 when, uint256 present);

    /// @notice More calldata than a scheduled call may have.
    error DataTooLong(uint256 length, uint256 maximum);

    /// @notice `maxFeePerGas` is below `minFeePerGas()`.
    error FeeTooLow(uint256 maxFeePerGas, uint256 minimum);

    /// @notice A scheduled call tried to run the others.
    error Reentered();

    /// @notice Schedules a call. The value is added to the caller's balance; the first call's lock is taken from there.
    /// @return id Never given twice.
    function schedule(Order calldata order, bytes calldata data) external payable returns (uint64 id);

    /// @notice Ends a call of the caller's. What is locked for it returns to the caller's balance.
    /// @dev A recurring call may cancel itself while it runs.
    function cancel(uint64 id) external;

    /// @notice Makes the calls that are due, as many as the gas allows. Whoever calls is credited with what they pay.
    /// @return count How many were handled.
    function runDue() external returns (uint256 count);

    /// @notice Whether `runDue` would have something to do in this block.
    function isDue() external view returns (bool);

    /// @notice What `schedule` locks, in wei.
    function quoteSchedule(uint32 gasLimit, uint96 maxFeePerGas) external pure returns (uint256);

    /// @notice The most gas that a call may have in this block: 8,000,000, or a quarter of the block's where that is less.
    function maxGasLimit() external view returns (uint256);

    /// @notice The least `maxFeePerGas` to schedule a call with in this block: its base fee, or 1 wei where that is zero.
    function minFeePerGas() external view returns (uint256);

    /// @notice Gas beyond the call's own that is locked for its handling.
    function OVERHEAD_GAS() external view returns (uint256);

    /// @notice A call to come; its owner is zero where there is none.
    function getCall(uint64 id) external view returns (address owner, Order memory order, bytes memory data);

    /// @notice The call that runs now and who scheduled it; zeros where none runs.
    function running() external view returns (uint64 id, address owner);
}
