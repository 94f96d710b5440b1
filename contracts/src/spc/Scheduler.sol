// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RedBlackTreeLib} from "solady/src/utils/RedBlackTreeLib.sol";
import {SSTORE2} from "solady/src/utils/SSTORE2.sol";
import {RevertReason} from "../RevertReason.sol";
import {Clock, IScheduler, Order} from "./IScheduler.sol";
import {Purse} from "./Purse.sol";

/// @title Scheduler
/// @notice Calls to come, in two queues, and who pays for them.
/// @dev Stands in the genesis state without a constructor: nothing here is immutable or initialised.
/// A queue is a tree of `when << 64 | id`. Its operations grow with the logarithm of what is queued; `OVERHEAD_GAS` holds
/// for 2^24 calls.
contract Scheduler is Purse, IScheduler {
    using RedBlackTreeLib for RedBlackTreeLib.Tree;
    using RedBlackTreeLib for bytes32;

    /// @inheritdoc IScheduler
    uint256 public constant OVERHEAD_GAS = 500_000;

    uint256 private constant HIGHEST_GAS_LIMIT = 8_000_000;
    uint256 private constant MAX_DATA_BYTES = 24_575;

    /// @dev What is spent on a call after its gas was counted: its owner is credited; a next turn is queued.
    uint256 private constant SETTLING_GAS = 35_000;
    uint256 private constant QUEUEING_GAS = 25_000;

    /// @dev What the transaction costs and the runner's credit. The first call of each run pays for them.
    uint256 private constant RUN_GAS = 45_000;

    struct Entry {
        address owner;
        Order order;
        address data;
    }

    uint64 private _lastId;
    mapping(uint64 id => Entry) private _entries;
    mapping(Clock clock => RedBlackTreeLib.Tree) private _queues;

    uint64 private transient _runningId;
    address private transient _runningOwner;

    /// @inheritdoc IScheduler
    function schedule(Order calldata order, bytes calldata data) external payable returns (uint64 id) {
        // Check
        if (order.target == address(0) || order.target == address(this)) revert InvalidTarget(order.target);
        if (order.gasLimit > maxGasLimit()) revert GasLimitTooHigh(order.gasLimit, maxGasLimit());
        if (order.when <= _present(order.clock)) revert NotInTheFuture(order.when, _present(order.clock));
        if (data.length > MAX_DATA_BYTES) revert DataTooLong(data.length, MAX_DATA_BYTES);
        if (order.maxFeePerGas < minFeePerGas()) revert FeeTooLow(order.maxFeePerGas, minFeePerGas());

        // Check and effect
        _credit(msg.sender, msg.value);
        _take(msg.sender, quoteSchedule(order.gasLimit, order.maxFeePerGas));

        // Effect
        id = ++_lastId;
        _entries[id] = Entry(msg.sender, order, SSTORE2.write(data));
        _queues[order.clock].insert(_key(order.when, id));

        emit CallScheduled(id, msg.sender, order, data);
    }

    /// @inheritdoc IScheduler
    function cancel(uint64 id) external {
        // Check
        Entry memory entry = _entries[id];
        if (entry.owner == address(0)) revert UnknownCall(id);
        if (entry.owner != msg.sender) revert NotOwner(id, entry.owner);

        // Effect: the lock of a call that runs is still needed, and returns when it has ended.
        delete _entries[id];
        if (id != _runningId) {
            _queues[entry.order.clock].remove(_key(entry.order.when, id));
            _credit(entry.owner, quoteSchedule(entry.order.gasLimit, entry.order.maxFeePerGas));
        }

        emit CallCancelled(id, msg.sender);
    }

    /// @inheritdoc IScheduler
    function runDue() external returns (uint256 count) {
        // Check
        if (_runningId != 0) revert Reentered();

        uint256 earned;
        Clock turn = Clock.Block;
        while (true) {
            uint64 id = _nextDue(turn);
            if (id == 0) break;
            Entry memory entry = _entries[id];
            uint256 needed = uint256(entry.order.gasLimit) * 64 / 63 + OVERHEAD_GAS;
            if (gasleft() < needed) break;
            earned += _handle(id, entry, count == 0 ? RUN_GAS : 0);
            turn = entry.order.clock == Clock.Block ? Clock.Time : Clock.Block;
            ++count;
        }

        // Effect
        _credit(msg.sender, earned);
    }

    /// @inheritdoc IScheduler
    function isDue() external view returns (bool) {
        return _firstDue(Clock.Block) != 0 || _firstDue(Clock.Time) != 0;
    }

    /// @inheritdoc IScheduler
    function getCall(uint64 id) external view returns (address owner, Order memory order, bytes memory data) {
        Entry memory entry = _entries[id];
        return (entry.owner, entry.order, entry.owner == address(0) ? bytes("") : SSTORE2.read(entry.data));
    }

    /// @inheritdoc IScheduler
    function running() external view returns (uint64 id, address owner) {
        return (_runningId, _runningOwner);
    }

    /// @inheritdoc IScheduler
    function maxGasLimit() public view returns (uint256) {
        uint256 quarter = block.gaslimit / 4;
        return quarter < HIGHEST_GAS_LIMIT ? quarter : HIGHEST_GAS_LIMIT;
    }

    /// @inheritdoc IScheduler
    function minFeePerGas() public view returns (uint256) {
        return block.basefee == 0 ? 1 : block.basefee;
    }

    /// @inheritdoc IScheduler
    function quoteSchedule(uint32 gasLimit, uint96 maxFeePerGas) public pure returns (uint256) {
        return (gasLimit + OVERHEAD_GAS) * maxFeePerGas;
    }

    /// @dev Takes one due call off its queue, makes it, settles it. The caller has seen to the gas.
    /// @param extraGas What it pays for beside its own.
    /// @return paid What the runner has earned by it.
    function _handle(uint64 id, Entry memory entry, uint256 extraGas) private returns (uint256 paid) {
        uint256 gasAtStart = gasleft() + extraGas;
        Order memory order = entry.order;

        // Effect: a call that has no next turn is over before it begins.
        bool missed = order.maxFeePerGas < block.basefee || order.gasLimit > maxGasLimit();
        bool isLast = missed || order.every == 0;
        _queues[order.clock].remove(_key(order.when, id));
        if (isLast) delete _entries[id];

        // Interaction
        (bool ok, bytes memory reason) = missed ? (false, bytes("")) : _call(id, entry);

        // Effect
        uint256 used = gasAtStart - gasleft() + SETTLING_GAS + (isLast ? 0 : QUEUEING_GAS);
        uint256 most = order.gasLimit + OVERHEAD_GAS;
        paid = (used < most ? used : most) * _price(order.maxFeePerGas);

        if (missed) emit CallMissed(id, entry.owner, block.basefee, paid);
        else emit CallExecuted(id, entry.owner, ok, reason, paid);

        _settle(id, entry, paid);
    }

    /// @dev Exactly `gasLimit` gas, and no more of what it returns than is kept.
    function _call(uint64 id, Entry memory entry) private returns (bool ok, bytes memory reason) {
        bytes memory data = SSTORE2.read(entry.data);
        (address target, uint256 gasLimit) = (entry.order.target, entry.order.gasLimit);
        (_runningId, _runningOwner) = (id, entry.owner);
        assembly ("memory-safe") {
            ok := call(gasLimit, target, 0, add(data, 0x20), mload(data), 0, 0)
        }
        (_runningId, _runningOwner) = (0, address(0));
        if (!ok) reason = RevertReason.read(RevertReason.MAX);
    }

    /// @dev Queues the next turn of a recurring call where its owner can pay for it.
    function _settle(uint64 id, Entry memory entry, uint256 paid) private {
        uint256 lock = quoteSchedule(entry.order.gasLimit, entry.order.maxFeePerGas);
        _credit(entry.owner, lock - paid);
        if (_entries[id].owner == address(0)) return;

        if (balanceOf[entry.owner] < lock) {
            delete _entries[id];
            emit CallUnfunded(id, entry.owner, lock);
            return;
        }
        _take(entry.owner, lock);
        uint40 when = _nextTurn(entry.order);
        _entries[id].order.when = when;
        _queues[entry.order.clock].insert(_key(when, id));
    }

    /// @dev Turns that have passed meanwhile are left out.
    function _nextTurn(Order memory order) private view returns (uint40) {
        uint256 turns = (_present(order.clock) - order.when) / order.every + 1;
        uint256 when = order.when + turns * order.every;
        return when < type(uint40).max ? uint40(when) : type(uint40).max;
    }

    /// @dev The base fee and an eighth for the runner's trouble. A missed call pays its handling at its own limit.
    function _price(uint256 maxFeePerGas) private view returns (uint256) {
        uint256 fee = block.basefee + block.basefee / 8;
        return fee < maxFeePerGas ? fee : maxFeePerGas;
    }

    function _nextDue(Clock turn) private view returns (uint64 id) {
        id = _firstDue(turn);
        if (id == 0) id = _firstDue(turn == Clock.Block ? Clock.Time : Clock.Block);
    }

    function _firstDue(Clock clock) private view returns (uint64) {
        bytes32 first = _queues[clock].first();
        if (first.isEmpty()) return 0;
        uint256 key = first.value();
        return key >> 64 <= _present(clock) ? uint64(key) : 0;
    }

    function _present(Clock clock) private view returns (uint256) {
        return clock == Clock.Block ? block.number : block.timestamp;
    }

    function _key(uint40 when, uint64 id) private pure returns (uint256) {
        return uint256(when) << 64 | id;
    }
}
