// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPurse} from "../../src/spc/IPurse.sol";
import {Clock, IScheduler, Order} from "../../src/spc/IScheduler.sol";
import {Scheduled} from "../../src/spc/Scheduled.sol";
import {Vm} from "../Vm.sol";
import {SchedulerBase, Sleeper} from "./SchedulerBase.sol";

contract SchedulerTest is SchedulerBase {
    // --- Scheduling

    function testFuzz_LocksWhatTheCallMayCost(uint32 gasLimit, uint96 maxFee, uint96 extra) public {
        gasLimit = uint32(gasLimit % (SCHEDULER.maxGasLimit() + 1));
        if (maxFee < block.basefee) maxFee += uint96(block.basefee);
        uint256 quote = SCHEDULER.quoteSchedule(gasLimit, maxFee);
        vm.assertEq(quote, (uint256(gasLimit) + 500_000) * maxFee);
        vm.deal(address(this), quote + extra);
        Order memory order = Order(address(sleeper), gasLimit, maxFee, Clock.Block, 101, 0);
        uint64 id = sleeper.schedule{value: quote + extra}(order, 7);

        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)), extra);
        (address owner, Order memory kept, bytes memory data) = SCHEDULER.getCall(id);
        vm.assertEq(owner, address(sleeper));
        vm.assertEq(abi.encode(kept), abi.encode(order));
        vm.assertEq(data, abi.encodeCall(Sleeper.wake, (7)));
    }

    function test_TheBalancePaysWhereThereIsNoValue() public {
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(sleeper));
        sleeper.schedule(_once(101), 1);
        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)), 1 ether - quote);
    }

    function test_RevertWhen_ABalanceIsTooSmall() public {
        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        vm.expectRevert(abi.encodeWithSelector(IPurse.InsufficientBalance.selector, address(sleeper), 0, quote));
        sleeper.schedule(_once(101), 1);
    }

    function testFuzz_RevertWhen_ItIsNotInTheFuture(uint40 when, bool byTime) public {
        Order memory order = _once(101);
        uint256 present = byTime ? START_TIME : START_BLOCK;
        (order.clock, order.when) = (byTime ? Clock.Time : Clock.Block, uint40(when % (present + 1)));
        vm.expectRevert(abi.encodeWithSelector(IScheduler.NotInTheFuture.selector, order.when, present));
        sleeper.schedule(order, 1);
    }

    function test_RevertWhen_TheTargetIsNobody() public {
        Order memory order = _once(101);
        order.target = address(0);
        vm.expectRevert(abi.encodeWithSelector(IScheduler.InvalidTarget.selector, address(0)));
        sleeper.schedule(order, 1);

        order.target = address(SCHEDULER);
        vm.expectRevert(abi.encodeWithSelector(IScheduler.InvalidTarget.selector, address(SCHEDULER)));
        sleeper.schedule(order, 1);
    }

    function test_RevertWhen_NoBlockHasRoomForIt() public {
        Order memory order = _once(101);
        order.gasLimit = 8_000_001;
        vm.expectRevert(abi.encodeWithSelector(IScheduler.GasLimitTooHigh.selector, 8_000_001, 8_000_000));
        sleeper.schedule(order, 1);
    }

    function test_RevertWhen_TheDataAreTooLong() public {
        vm.expectRevert(abi.encodeWithSelector(IScheduler.DataTooLong.selector, 24_576, 24_575));
        SCHEDULER.schedule(_once(101), new bytes(24_576));
    }

    function testFuzz_RevertWhen_ItDoesNotPayTodaysBaseFee(uint64 baseFee, uint96 maxFee) public {
        vm.fee(baseFee);
        uint256 least = baseFee == 0 ? 1 : baseFee;
        vm.assertEq(SCHEDULER.minFeePerGas(), least);
        Order memory order = _once(101);
        order.maxFeePerGas = uint96(maxFee % least);
        vm.expectRevert(abi.encodeWithSelector(IScheduler.FeeTooLow.selector, order.maxFeePerGas, least));
        sleeper.schedule(order, 1);

        order.maxFeePerGas = uint96(least);
        vm.assertEq(_schedule(order, 1), 1);
    }

    // --- Running

    function test_ACallIsMadeInItsBlockAndNotBefore() public {
        uint64 id = _schedule(_once(103), 7);
        vm.assertFalse(SCHEDULER.isDue());
        vm.assertEq(_runAt(102), 0);
        vm.roll(103);
        vm.assertTrue(SCHEDULER.isDue());
        vm.assertEq(_run(), 1);
        vm.assertEq(sleeper.calls(0), 7);
        vm.assertFalse(SCHEDULER.isDue());
        vm.assertEq(_ownerOf(id), address(0));
        vm.assertEq(_run(), 0);
    }

    function test_ACallWaitsForATimestamp() public {
        vm.deal(address(this), 1 ether);
        sleeper.wakeMeAtTime{value: 0.1 ether}(uint40(START_TIME + 60), MAX_FEE);
        vm.warp(START_TIME + 59);
        vm.assertFalse(SCHEDULER.isDue());
        vm.warp(START_TIME + 61);
        vm.assertTrue(SCHEDULER.isDue());
        vm.assertEq(_run(), 1);
        vm.assertEq(sleeper.calls(0), 2);
    }

    function testFuzz_TheOwnerPaysForWhatWasUsed(uint64 baseFee) public {
        baseFee = uint64(baseFee % (2 * MAX_FEE));
        vm.deal(address(this), 1 ether);
        sleeper.wakeMeAtBlock{value: 1 ether}(101, MAX_FEE);
        vm.fee(baseFee);
        _runAt(101);

        uint256 earned = SCHEDULER.balanceOf(RUNNER);
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)) + earned, 1 ether);
        vm.assertLe(earned, SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE));
        vm.assertEq(sleeper.count(), baseFee > MAX_FEE ? 0 : 1);
        if (baseFee == 0) return;
        uint256 fee = uint256(baseFee) + baseFee / 8;
        uint256 gas = earned / (fee < MAX_FEE ? fee : MAX_FEE);
        vm.assertGt(gas, sleeper.count() * 40_000); // the call stores two words
        vm.assertLt(gas, 200_000);
    }

    function test_TheRunnerIsPaidForWhatItSpends() public {
        for (uint256 i = 0; i < 10; ++i) {
            _schedule(_once(101), i);
        }
        vm.roll(101);
        uint256 before = gasleft();
        vm.assertEq(_run(), 10);
        uint256 spent = before - gasleft() + 21_000;
        vm.assertGt(SCHEDULER.balanceOf(RUNNER), spent * block.basefee);
        vm.assertLt(SCHEDULER.balanceOf(RUNNER), spent * block.basefee * 2);
    }

    function testFuzz_CallsAreMadeInTheOrderOfTheirBlocks(uint8[12] calldata delays) public {
        for (uint256 i = 0; i < delays.length; ++i) {
            _schedule(_once(101 + delays[i] % 8), i);
        }
        vm.assertEq(_runAt(110), delays.length);
        for (uint256 i = 1; i < delays.length; ++i) {
            (uint256 a, uint256 b) = (sleeper.calls(i - 1), sleeper.calls(i));
            vm.assertLe(delays[a] % 8, delays[b] % 8);
            if (delays[a] % 8 == delays[b] % 8) vm.assertLt(a, b);
        }
    }

    function test_TheClocksTakeTurns() public {
        Order memory timed = _once(101);
        (timed.clock, timed.when) = (Clock.Time, uint40(START_TIME + 1));
        for (uint256 i = 0; i < 3; ++i) {
            _schedule(_once(101), i);
            _schedule(timed, 100 + i);
        }
        vm.warp(START_TIME + 1);
        vm.assertEq(_runAt(101), 6);
        for (uint256 i = 0; i < 6; ++i) {
            vm.assertEq(sleeper.calls(i), i % 2 * 100 + i / 2);
        }
    }

    function test_IdsNeverComeBack() public {
        uint64 first = _schedule(_once(101), 1);
        _runAt(101);
        uint64 second = _schedule(_once(102), 1);
        sleeper.cancel(second);
        uint64 third = _schedule(_once(102), 1);
        vm.assertEq(second, first + 1);
        vm.assertEq(third, first + 2);
    }

    // --- Failures

    function test_AFailedCallSaysWhyAndDisturbsNoOther() public {
        Sleeper other = sleeper;
        _schedule(_once(101), 1);
        sleeper = new Sleeper();
        sleeper.setMood(Sleeper.Mood.Revert);
        uint64 id = _schedule(_once(101), 2);
        sleeper.setMood(Sleeper.Mood.Revert);
        sleeper = other;
        _schedule(_once(101), 3);

        vm.recordLogs();
        vm.assertEq(_runAt(101), 3);
        vm.assertEq(sleeper.count(), 2);
        (bool ok, bytes memory reason) = _executed(id);
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(Sleeper.Refused.selector, 2));
    }

    function testFuzz_ACallHasExactlyItsGas(uint32 gasLimit, uint256 given) public {
        Order memory order = _once(101);
        order.gasLimit = uint32(100_000 + gasLimit % 2_000_000);
        _schedule(order, 1);
        vm.roll(101);
        given = 100_000 + given % 6_000_000;
        (bool ok,) = address(SCHEDULER).call{gas: given}(abi.encodeCall(IScheduler.runDue, ()));
        if (!ok || sleeper.count() == 0) {
            vm.assertTrue(SCHEDULER.isDue(), "nothing happened");
            vm.assertEq(SCHEDULER.balanceOf(address(sleeper)), 0);
            return;
        }
        vm.assertLe(sleeper.gasSeen(), order.gasLimit);
        vm.assertGt(sleeper.gasSeen(), order.gasLimit - 8_000); // what onlyScheduled costs
    }

    function test_ABurntCallCostsItsGasAndNoMore() public {
        sleeper.setMood(Sleeper.Mood.BurnGas);
        uint64 id = _schedule(_once(101), 1);
        vm.recordLogs();
        uint256 before = gasleft();
        vm.assertEq(_runAt(101), 1);
        vm.assertLt(before - gasleft(), CALL_GAS + 120_000);
        (bool ok, bytes memory reason) = _executed(id);
        vm.assertFalse(ok);
        vm.assertEq(reason, "");
    }

    function test_AMegabyteOfReturnDataIsNotCopied() public {
        sleeper.setMood(Sleeper.Mood.ReturnMegabyte);
        Order memory order = _once(101);
        order.gasLimit = 3_000_000; // the sleeper pays 2 million for its own memory
        _schedule(order, 1);
        uint256 before = gasleft();
        vm.assertEq(_runAt(101), 1);
        vm.assertLt(before - gasleft(), 2_300_000);
    }

    function test_BurningCallsCarryOverAndAreAllMade() public {
        sleeper.setMood(Sleeper.Mood.BurnGas);
        Order memory order = _once(101);
        order.gasLimit = 8_000_000;
        for (uint256 i = 0; i < 5; ++i) {
            _schedule(order, i);
        }
        for (uint256 block_ = 101; block_ < 106; ++block_) {
            vm.roll(block_);
            vm.assertTrue(SCHEDULER.isDue());
            (bool ok,) = address(SCHEDULER).call{gas: 15_000_000}(abi.encodeCall(IScheduler.runDue, ()));
            vm.assertTrue(ok);
        }
        vm.assertFalse(SCHEDULER.isDue());
    }

    function test_ALongQueueStaysWithinTheOverhead() public {
        for (uint256 i = 0; i < 400; ++i) {
            _schedule(_once(1000 + i * 7919 % 400), i);
        }
        Order memory recurring = _once(101);
        recurring.every = 1099;
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(sleeper));
        _schedule(recurring, 1000);
        vm.cool(address(SCHEDULER));
        vm.roll(101);
        uint256 before = gasleft();
        vm.assertEq(_run(), 1);
        vm.assertLt(before - gasleft(), 350_000);
        vm.assertEq(_runAt(1100), 101);
    }

    function test_ACallCannotRunTheOthers() public {
        sleeper.setScript(abi.encodeCall(IScheduler.runDue, ()));
        _schedule(_once(101), 1);
        _schedule(_once(101), 2);
        vm.assertEq(_runAt(101), 2);
        vm.assertFalse(sleeper.scriptOk());
        vm.assertEq(sleeper.scriptResult(), abi.encodeWithSelector(IScheduler.Reentered.selector));
        vm.assertEq(sleeper.count(), 2);
    }

    function test_ACallMayScheduleTheNext() public {
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(sleeper));
        Order memory order = _once(101);
        order.gasLimit = 500_000;
        Order memory next = _once(102);
        sleeper.setScript(abi.encodeCall(IScheduler.schedule, (next, abi.encodeCall(Sleeper.wake, (2)))));
        _schedule(order, 1);
        vm.assertEq(_runAt(101), 1);
        vm.assertTrue(sleeper.scriptOk());
        vm.assertEq(_runAt(102), 1);
        vm.assertEq(sleeper.calls(1), 2);
    }

    // --- Who called

    function test_AnothersCallDoesNotEnterWhatOnlyOwnCallsMay() public {
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(this));
        uint64 id = SCHEDULER.schedule(_once(101), abi.encodeCall(Sleeper.wake, (1)));
        SCHEDULER.schedule(_once(101), abi.encodeCall(Sleeper.wakeAnyone, (2)));
        vm.recordLogs();
        vm.assertEq(_runAt(101), 2);
        vm.assertEq(sleeper.count(), 1);
        vm.assertEq(sleeper.calls(0), 2);
        (, bytes memory reason) = _executed(id);
        vm.assertEq(reason, abi.encodeWithSelector(Scheduled.NotScheduled.selector, address(SCHEDULER), address(this)));
    }

    function test_RevertWhen_AStrangerCallsWhatIsScheduled() public {
        vm.expectRevert(abi.encodeWithSelector(Scheduled.NotScheduled.selector, address(this), address(0)));
        sleeper.wake(1);
    }

    // --- Recurring

    function test_ARecurringCallGoesOnWhileItsOwnerPays() public {
        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        Order memory order = _once(101);
        order.every = 5;
        uint64 id = _schedule(order, 1);
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: quote / 10}(address(sleeper));
        uint256 count;
        for (uint256 n = 101; _ownerOf(id) != address(0); ++n) {
            bool due = (n - 101) % 5 == 0;
            vm.roll(n);
            vm.assertEq(SCHEDULER.isDue(), due);
            vm.assertEq(_run(), due ? 1 : 0);
            count += due ? 1 : 0;
        }
        vm.assertGt(count, 3);
        vm.assertEq(sleeper.count(), count);
        vm.assertLt(SCHEDULER.balanceOf(address(sleeper)), quote);
        vm.assertGt(SCHEDULER.balanceOf(address(sleeper)), quote * 8 / 10);
    }

    function test_TurnsThatHavePassedAreLeftOut() public {
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(sleeper));
        Order memory order = _once(101);
        order.every = 5;
        uint64 id = _schedule(order, 1);
        vm.assertEq(_runAt(113), 1);
        (, Order memory kept,) = SCHEDULER.getCall(id);
        vm.assertEq(kept.when, 116);
    }

    function test_ARecurringCallMayEndItselfAndGetsTheRestBack() public {
        vm.deal(address(this), 1 ether);
        SCHEDULER.deposit{value: 1 ether}(address(sleeper));
        Order memory order = _once(101);
        order.every = 5;
        uint64 id = sleeper.schedule(order, 1);
        sleeper.setScript(abi.encodeCall(IScheduler.cancel, (id)));
        vm.assertEq(_runAt(101), 1);
        vm.assertTrue(sleeper.scriptOk());
        vm.assertEq(_ownerOf(id), address(0));
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)) + SCHEDULER.balanceOf(RUNNER), 1 ether);
        vm.assertEq(_runAt(106), 0);
    }

    // --- Missed, cancelled, withdrawn

    function test_ACallIsMissedWhereTheBaseFeeIsTooHigh() public {
        uint64 id = _schedule(_once(101), 1);
        vm.fee(MAX_FEE + 1);
        vm.assertEq(_runAt(101), 1);
        vm.assertEq(sleeper.count(), 0);
        vm.assertEq(_ownerOf(id), address(0));
        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        vm.assertGt(SCHEDULER.balanceOf(address(sleeper)), quote * 8 / 10);
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)) + SCHEDULER.balanceOf(RUNNER), quote);
    }

    function test_AMissedRecurringCallEnds() public {
        Order memory order = _once(101);
        order.every = 1;
        uint64 id = _schedule(order, 1);
        vm.fee(MAX_FEE + 1);
        vm.recordLogs();
        vm.assertEq(_runAt(101), 1);
        vm.assertEq(vm.getRecordedLogs()[0].topics[0], IScheduler.CallMissed.selector);
        vm.assertEq(_ownerOf(id), address(0));

        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)) + SCHEDULER.balanceOf(RUNNER), quote);
        vm.fee(1 gwei);
        vm.assertEq(_runAt(102), 0);
        vm.assertEq(sleeper.count(), 0);
    }

    function testFuzz_CallsThatDoNothingPayForTheirHandling(uint8 calls, uint96 extraFee) public {
        uint256 count = 1 + calls % 60;
        Order memory order = _once(101);
        (order.target, order.gasLimit, order.every) = (address(0x1111), 0, 1);
        order.maxFeePerGas = uint96(block.basefee + extraFee % 10 gwei);
        for (uint256 i = 0; i < count; ++i) {
            _schedule(order, i);
        }
        for (uint256 number = 101; number < 104; ++number) {
            vm.roll(number);
            vm.cool(address(SCHEDULER));
            uint256 earned = SCHEDULER.balanceOf(RUNNER);
            uint256 before = gasleft();
            if (_run() == 0) break;
            uint256 spent = before - gasleft() + 21_000;
            vm.assertGe(SCHEDULER.balanceOf(RUNNER) - earned, spent * block.basefee);
        }
        vm.assertLt(SCHEDULER.balanceOf(address(sleeper)), count * 500_000 * uint256(order.maxFeePerGas));
    }

    function test_ACancelledCallReturnsItsLock() public {
        uint64 id = _schedule(_once(101), 1);
        sleeper.cancel(id);
        uint256 quote = SCHEDULER.quoteSchedule(CALL_GAS, MAX_FEE);
        vm.assertEq(SCHEDULER.balanceOf(address(sleeper)), quote);
        sleeper.withdraw(address(0xCAFE), quote);
        vm.assertEq(address(0xCAFE).balance, quote);
        vm.assertEq(address(SCHEDULER).balance, 0);
        vm.assertEq(_runAt(101), 0);
    }

    function test_RevertWhen_AStrangerCancels() public {
        uint64 id = _schedule(_once(101), 1);
        vm.expectRevert(abi.encodeWithSelector(IScheduler.NotOwner.selector, id, address(sleeper)));
        SCHEDULER.cancel(id);
    }

    function test_RevertWhen_CancelledTwice() public {
        uint64 id = _schedule(_once(101), 1);
        sleeper.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(IScheduler.UnknownCall.selector, id));
        sleeper.cancel(id);
    }

    function test_RevertWhen_NobodyIsPaid() public {
        vm.expectRevert(abi.encodeWithSelector(IPurse.InvalidAccount.selector, address(0)));
        SCHEDULER.withdraw(address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(IPurse.InvalidAccount.selector, address(0)));
        SCHEDULER.deposit(address(0));
    }

    function test_RevertWhen_MoreIsWithdrawnThanThereIs() public {
        vm.expectRevert(abi.encodeWithSelector(IPurse.InsufficientBalance.selector, address(this), 0, 1));
        SCHEDULER.withdraw(address(this), 1);
    }

    function test_RevertWhen_TheReceiverRefuses() public {
        vm.deal(address(this), 1);
        SCHEDULER.deposit{value: 1}(address(this));
        vm.expectRevert(abi.encodeWithSelector(IPurse.TransferFailed.selector, address(this), 1));
        SCHEDULER.withdraw(address(this), 1);
    }

    function _executed(uint64 id) private returns (bool ok, bytes memory reason) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IScheduler.CallExecuted.selector) continue;
            if (logs[i].topics[1] != bytes32(uint256(id))) continue;
            (ok, reason,) = abi.decode(logs[i].data, (bool, bytes, uint256));
            return (ok, reason);
        }
        revert("not executed");
    }
}
