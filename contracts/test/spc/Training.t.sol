// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITraining, JobState, TrainingJob} from "../../src/spc/ITraining.sol";
import {Training} from "../../src/spc/Training.sol";
import {TrainingConsumer} from "../../src/spc/TrainingConsumer.sol";
import {SpcVm} from "./SpcVm.sol";

contract Student is TrainingConsumer {
    enum Mood {
        Store,
        Revert,
        BurnGas
    }

    Mood public mood;
    bytes32 public lastId;
    bool public lastOk;
    bytes public lastResult;
    uint256 public gasSeen;

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    function ask(bytes calldata spec, uint32 callbackGas, uint40 deadline) external payable returns (bytes32) {
        return TRAINING.submit{value: msg.value}(spec, callbackGas, deadline);
    }

    function askPlainly(bytes calldata spec) external payable returns (bytes32) {
        return TRAINING.submit{value: msg.value}(spec);
    }

    function cancel(bytes32 jobId) external {
        TRAINING.cancel(jobId);
    }

    function _receiveTraining(bytes32 jobId, bool ok, bytes calldata result) internal override {
        uint256 gasAtStart = gasleft();
        if (mood == Mood.Revert) revert("no");
        if (mood == Mood.BurnGas) {
            assembly {
                invalid()
            }
        }
        (lastId, lastOk, lastResult, gasSeen) = (jobId, ok, result, gasAtStart);
    }
}

contract TrainingTest {
    bool public constant IS_TEST = true;

    SpcVm private constant vm = SpcVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    ITraining private constant TRAINING = ITraining(address(0x0813));
    address private constant PRODUCER = address(0x9207);
    bytes private constant SPEC = '{"workflow": "digits"}';
    uint40 private constant DEADLINE = 1_767_225_600 + 1 hours;

    Student private student;

    function setUp() public {
        vm.warp(1_767_225_600);
        vm.coinbase(PRODUCER);
        vm.etch(address(TRAINING), type(Training).runtimeCode);
        student = new Student();
        vm.deal(address(this), 100 ether);
    }

    function _ask(uint32 callbackGas) private returns (bytes32) {
        return student.ask{value: 1 ether}(SPEC, callbackGas, DEADLINE);
    }

    function _complete(bytes32 jobId, bool ok, bytes memory result) private {
        vm.prank(PRODUCER);
        TRAINING.complete(jobId, ok, result);
    }

    function testFuzz_AJobIsKeptAndItsIdIsKnownBefore(uint96 fee, uint32 callbackGas, bytes calldata spec) public {
        if (spec.length == 0 || spec.length > 16_384) return;
        callbackGas %= 8_000_001;
        vm.deal(address(this), fee);
        bytes32 next = TRAINING.nextJobId(address(student), spec);
        bytes32 id = student.ask{value: fee}(spec, callbackGas, DEADLINE);
        vm.assertEq(id, next);
        TrainingJob memory job = TRAINING.getJob(id);
        vm.assertEq(
            abi.encode(job),
            abi.encode(TrainingJob(address(student), callbackGas, DEADLINE, JobState.Open, keccak256(spec), fee))
        );
        vm.assertTrue(TRAINING.nextJobId(address(student), spec) != id);
    }

    function test_APlainJobHasADay() public {
        TrainingJob memory job = TRAINING.getJob(student.askPlainly(SPEC));
        vm.assertEq(job.deadline, block.timestamp + 1 days);
        vm.assertEq(job.callbackGas, 300_000);
    }

    function testFuzz_TheAnswerReachesItsOwner(bool ok, bytes calldata result) public {
        if (result.length > 1_000) return;
        bytes32 id = _ask(2_000_000);
        _complete(id, ok, result);
        vm.assertEq(student.lastId(), id);
        vm.assertEq(student.lastOk(), ok);
        vm.assertEq(student.lastResult(), result);
        vm.assertEq(TRAINING.resultOf(id), result);
        vm.assertEq(uint256(TRAINING.getJob(id).state), uint256(ok ? JobState.Succeeded : JobState.Failed));
        vm.assertEq(TRAINING.balanceOf(PRODUCER), 1 ether);
    }

    function test_AnOwnerWithoutCodeIsNotCalled() public {
        vm.deal(address(0xE0A), 1 ether);
        vm.prank(address(0xE0A));
        bytes32 id = TRAINING.submit{value: 1 ether}(SPEC, 300_000, DEADLINE);
        _complete(id, true, hex"01");
        vm.assertEq(TRAINING.resultOf(id), hex"01");
    }

    function test_AFailingCallbackUndoesNothing() public {
        student.setMood(Student.Mood.Revert);
        bytes32 id = _ask(300_000);
        _complete(id, true, hex"01");
        vm.assertEq(TRAINING.resultOf(id), hex"01");

        student.setMood(Student.Mood.BurnGas);
        id = _ask(300_000);
        uint256 before = gasleft();
        _complete(id, true, hex"01");
        vm.assertLt(before - gasleft(), 300_000 + 120_000);
        vm.assertEq(TRAINING.resultOf(id), hex"01");
    }

    function testFuzz_TheCallbackHasItsGasOrNothingHappens(uint32 callbackGas, uint256 given) public {
        callbackGas = 150_000 + callbackGas % 1_000_000;
        bytes32 id = _ask(callbackGas);
        vm.prank(PRODUCER);
        (bool ok,) = address(TRAINING).call{gas: 50_000 + given % 2_000_000}(
            abi.encodeCall(ITraining.complete, (id, true, hex"01"))
        );
        vm.assertEq(TRAINING.getJob(id).state == JobState.Succeeded, ok);
        if (!ok) return;
        vm.assertLe(student.gasSeen(), callbackGas);
        vm.assertGt(student.gasSeen(), callbackGas - 4_000);
    }

    function test_RevertWhen_NotTheProducerAnswers() public {
        bytes32 id = _ask(300_000);
        vm.expectRevert(abi.encodeWithSelector(ITraining.NotProducer.selector, address(this), PRODUCER));
        TRAINING.complete(id, true, "");
    }

    function test_RevertWhen_AnsweredTwice() public {
        bytes32 id = _ask(300_000);
        _complete(id, true, hex"01");
        vm.prank(PRODUCER);
        vm.expectRevert(abi.encodeWithSelector(ITraining.JobNotOpen.selector, id, JobState.Succeeded));
        TRAINING.complete(id, true, hex"02");
    }

    function test_RevertWhen_AnsweredTooLate() public {
        bytes32 id = _ask(300_000);
        vm.warp(DEADLINE + 1);
        vm.prank(PRODUCER);
        vm.expectRevert(abi.encodeWithSelector(ITraining.DeadlinePassed.selector, id, DEADLINE));
        TRAINING.complete(id, true, "");
    }

    function test_RevertWhen_TheResultIsTooLong() public {
        bytes32 id = _ask(300_000);
        vm.prank(PRODUCER);
        vm.expectRevert(abi.encodeWithSelector(ITraining.ResultTooLong.selector, 16_385, 16_384));
        TRAINING.complete(id, true, new bytes(16_385));
    }

    function test_TheLongestResultFits() public {
        bytes32 id = _ask(100_000);
        vm.prank(PRODUCER);
        TRAINING.complete{gas: 5_000_000}(id, true, new bytes(16_384));
        vm.assertEq(TRAINING.resultOf(id).length, 16_384);
    }

    function test_AJobThatNobodyAnsweredCostsNothing() public {
        bytes32 id = _ask(300_000);
        vm.expectRevert(abi.encodeWithSelector(ITraining.DeadlineNotPassed.selector, id, DEADLINE));
        student.cancel(id);

        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(ITraining.NotOwner.selector, id, address(student)));
        TRAINING.cancel(id);

        student.cancel(id);
        vm.assertEq(TRAINING.balanceOf(address(student)), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(ITraining.JobNotOpen.selector, id, JobState.Cancelled));
        student.cancel(id);
    }

    function test_RevertWhen_AJobIsMalformed() public {
        vm.expectRevert(abi.encodeWithSelector(ITraining.InvalidSpec.selector, 0, 16_384));
        student.ask("", 1, DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ITraining.InvalidSpec.selector, 16_385, 16_384));
        student.ask(new bytes(16_385), 1, DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ITraining.CallbackGasTooHigh.selector, 8_000_001, 8_000_000));
        student.ask(SPEC, 8_000_001, DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ITraining.InvalidDeadline.selector, block.timestamp, block.timestamp));
        student.ask(SPEC, 1, uint40(block.timestamp));
    }

    function test_RevertWhen_AStrangerBringsAResult() public {
        vm.expectRevert(abi.encodeWithSelector(TrainingConsumer.NotTraining.selector, address(this)));
        student.rawReceiveTraining(0, true, "");
    }
}
