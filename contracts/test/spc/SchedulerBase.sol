// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clock, IScheduler, Order} from "../../src/spc/IScheduler.sol";
import {Scheduled} from "../../src/spc/Scheduled.sol";
import {Scheduler} from "../../src/spc/Scheduler.sol";
import {SpcVm} from "./SpcVm.sol";

/// @dev A target that does what a test tells it to, and remembers the order in which it was called.
contract Sleeper is Scheduled {
    enum Mood {
        Count,
        Revert,
        BurnGas,
        ReturnMegabyte,
        CallScheduler
    }

    error Refused(uint256 code);

    Mood public mood;
    bytes public script;
    bool public scriptOk;
    bytes public scriptResult;
    uint256 public gasSeen;
    uint256[] public calls;

    receive() external payable {}

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    function setScript(bytes calldata newScript) external {
        (mood, script) = (Mood.CallScheduler, newScript);
    }

    function count() external view returns (uint256) {
        return calls.length;
    }

    function wake(uint256 mark) external onlyScheduled {
        uint256 gasAtStart = gasleft();
        if (mood == Mood.Revert) revert Refused(mark);
        if (mood == Mood.BurnGas) {
            assembly {
                invalid()
            }
        }
        if (mood == Mood.ReturnMegabyte) {
            assembly {
                return(0, 1000000)
            }
        }
        if (mood == Mood.CallScheduler) (scriptOk, scriptResult) = address(SCHEDULER).call(script);
        calls.push(mark);
        gasSeen = gasAtStart;
    }

    function wakeAnyone(uint256 mark) external {
        calls.push(mark);
    }

    function schedule(Order calldata order, uint256 mark) external payable returns (uint64) {
        return SCHEDULER.schedule{value: msg.value}(order, abi.encodeCall(this.wake, (mark)));
    }

    function wakeMeAtBlock(uint40 number, uint96 maxFeePerGas) external payable returns (uint64) {
        return _scheduleAtBlock(number, abi.encodeCall(this.wake, (1)), 200_000, maxFeePerGas, msg.value);
    }

    function wakeMeAtTime(uint40 timestamp, uint96 maxFeePerGas) external payable returns (uint64) {
        return _scheduleAtTime(timestamp, abi.encodeCall(this.wake, (2)), 200_000, maxFeePerGas, msg.value);
    }

    function cancel(uint64 id) external {
        SCHEDULER.cancel(id);
    }

    function withdraw(address to, uint256 amount) external {
        SCHEDULER.withdraw(to, amount);
    }
}

/// @dev A Scheduler where genesis puts it, and one sleeper.
abstract contract SchedulerBase {
    bool public constant IS_TEST = true;

    SpcVm internal constant vm = SpcVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    IScheduler internal constant SCHEDULER = IScheduler(address(0x0830));

    uint32 internal constant CALL_GAS = 200_000;
    uint96 internal constant MAX_FEE = 10 gwei;
    uint256 internal constant START_BLOCK = 100;
    uint256 internal constant START_TIME = 1_767_225_600;
    address internal constant RUNNER = address(0xB0B);

    Sleeper internal sleeper;

    function setUp() public virtual {
        vm.roll(START_BLOCK);
        vm.warp(START_TIME);
        vm.fee(1 gwei);
        vm.etch(address(SCHEDULER), type(Scheduler).runtimeCode);
        sleeper = new Sleeper();
    }

    function _once(uint256 atBlock) internal view returns (Order memory) {
        return Order(address(sleeper), CALL_GAS, MAX_FEE, Clock.Block, uint40(atBlock), 0);
    }

    function _schedule(Order memory order, uint256 mark) internal returns (uint64) {
        uint256 value = SCHEDULER.quoteSchedule(order.gasLimit, order.maxFeePerGas);
        vm.deal(address(this), address(this).balance + value);
        return sleeper.schedule{value: value}(order, mark);
    }

    function _run() internal returns (uint256) {
        vm.prank(RUNNER);
        return SCHEDULER.runDue();
    }

    function _runAt(uint256 number) internal returns (uint256) {
        vm.roll(number);
        return _run();
    }

    function _ownerOf(uint64 id) internal view returns (address owner) {
        (owner,,) = SCHEDULER.getCall(id);
    }
}
