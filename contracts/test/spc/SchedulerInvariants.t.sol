// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clock, IScheduler, Order} from "../../src/spc/IScheduler.sol";
import {SchedulerBase, Sleeper} from "./SchedulerBase.sol";
import {SpcVm} from "./SpcVm.sol";

/// @dev Does anything anybody may do, with bounded inputs, and counts what it did.
contract SchedulerHandler {
    SpcVm private constant vm = SpcVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    IScheduler private constant SCHEDULER = IScheduler(address(0x0830));

    Sleeper[2] private _sleepers;
    uint64 public lastId;
    uint256 public handled;
    uint256 private _number = 100;
    uint256 private _time = 1_767_225_600;

    constructor() {
        _sleepers = [new Sleeper(), new Sleeper()];
    }

    function sleeper(uint256 i) external view returns (address) {
        return address(_sleepers[i]);
    }

    function schedule(uint256 who, uint32 gasLimit, uint96 maxFee, bool byTime, uint40 delay, uint32 every, uint8 mood)
        external
    {
        Order memory order;
        order.target = address(_sleepers[who % 2]);
        order.gasLimit = gasLimit % 400_000;
        order.maxFeePerGas = uint96(SCHEDULER.minFeePerGas() + maxFee % 100 gwei);
        order.clock = byTime ? Clock.Time : Clock.Block;
        order.when = uint40((byTime ? _time : _number) + 1 + delay % 20);
        order.every = every % 4;
        uint256 value = SCHEDULER.quoteSchedule(order.gasLimit, order.maxFeePerGas) * (1 + who % 3);
        vm.deal(address(this), value);
        _sleepers[who % 2].setMood(Sleeper.Mood(mood % 4));
        uint64 id = _sleepers[who % 2].schedule{value: value}(order, who);
        if (id <= lastId) revert("an id came back");
        lastId = id;
    }

    function cancel(uint64 id) external {
        id = lastId == 0 ? 0 : 1 + id % lastId;
        (address owner,,) = SCHEDULER.getCall(id);
        if (owner == address(0)) return;
        Sleeper(payable(owner)).cancel(id);
    }

    function run(uint64 baseFee, uint256 gas) external {
        vm.fee(baseFee % 200 gwei);
        (bool ok, bytes memory result) =
            address(SCHEDULER).call{gas: 200_000 + gas % 10_000_000}(abi.encodeCall(IScheduler.runDue, ()));
        if (ok) handled += abi.decode(result, (uint256));
    }

    function withdraw(uint256 who, uint256 amount) external {
        address owner = who % 3 == 2 ? address(this) : address(_sleepers[who % 3]);
        amount %= SCHEDULER.balanceOf(owner) + 1;
        vm.prank(owner);
        SCHEDULER.withdraw(address(0xCAFE), amount);
    }

    function pass(uint8 blocks) external {
        (_number, _time) = (_number + blocks % 16, _time + 2 * uint256(blocks % 16));
        vm.roll(_number);
        vm.warp(_time);
    }
}

/// @dev 1. What the Scheduler holds is the sum of all balances and locks, to the wei.
/// 2. What is due is made: with gas enough, nothing stays due.
/// 3. Every call to come has a lock.
contract SchedulerInvariants is SchedulerBase {
    SchedulerHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new SchedulerHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_HoldsTheSumOfBalancesAndLocks() public view {
        uint256 sum = SCHEDULER.balanceOf(address(handler)) + SCHEDULER.balanceOf(address(this));
        for (uint256 i = 0; i < 2; ++i) {
            sum += SCHEDULER.balanceOf(handler.sleeper(i));
        }
        for (uint64 id = 1; id <= handler.lastId(); ++id) {
            (address owner, Order memory order,) = SCHEDULER.getCall(id);
            if (owner != address(0)) sum += SCHEDULER.quoteSchedule(order.gasLimit, order.maxFeePerGas);
        }
        vm.assertEq(sum, address(SCHEDULER).balance);
    }

    function invariant_EveryCallToComeHasALock() public view {
        for (uint64 id = 1; id <= handler.lastId(); ++id) {
            (address owner, Order memory order,) = SCHEDULER.getCall(id);
            if (owner != address(0)) vm.assertGt(SCHEDULER.quoteSchedule(order.gasLimit, order.maxFeePerGas), 0);
        }
    }

    function afterInvariant() public {
        vm.roll(10_000);
        vm.warp(START_TIME + 10_000);
        while (SCHEDULER.runDue() != 0) {}
        vm.assertFalse(SCHEDULER.isDue());
        invariant_HoldsTheSumOfBalancesAndLocks();
    }
}
