// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/src/utils/SSTORE2.sol";
import {ITraining, ITrainingConsumer, JobState, TrainingJob} from "./ITraining.sol";
import {Purse} from "./Purse.sol";

/// @title Training
/// @notice Training jobs, their fees and their results.
/// @dev Stands in the genesis state without a constructor: nothing here is immutable or initialised.
contract Training is Purse, ITraining {
    uint256 private constant MAX_SPEC_BYTES = 16_384;
    uint256 private constant MAX_RESULT_BYTES = 16_384;
    uint256 private constant MAX_CALLBACK_GAS = 8_000_000;
    uint32 private constant DEFAULT_CALLBACK_GAS = 300_000;

    /// @dev What an answer needs after the callback: its event, with the longest result.
    uint256 private constant RESERVE_GAS = 200_000;

    mapping(bytes32 jobId => TrainingJob) private _jobs;
    mapping(bytes32 jobId => address) private _results;
    mapping(address owner => uint256) private _counts;

    /// @inheritdoc ITraining
    function submit(bytes calldata spec) external payable returns (bytes32 jobId) {
        return submit(spec, DEFAULT_CALLBACK_GAS, uint40(block.timestamp + 1 days));
    }

    /// @inheritdoc ITraining
    function submit(bytes calldata spec, uint32 callbackGas, uint40 deadline) public payable returns (bytes32 jobId) {
        // Check
        if (spec.length == 0 || spec.length > MAX_SPEC_BYTES) revert InvalidSpec(spec.length, MAX_SPEC_BYTES);
        if (callbackGas > MAX_CALLBACK_GAS) revert CallbackGasTooHigh(callbackGas, MAX_CALLBACK_GAS);
        if (deadline <= block.timestamp) revert InvalidDeadline(deadline, block.timestamp);
        if (msg.value > type(uint128).max) revert FeeTooHigh(msg.value);

        // Effect
        jobId = nextJobId(msg.sender, spec);
        ++_counts[msg.sender];
        uint128 fee = uint128(msg.value);
        _jobs[jobId] = TrainingJob(msg.sender, callbackGas, deadline, JobState.Open, keccak256(spec), fee);

        emit TrainingSubmitted(jobId, msg.sender, callbackGas, deadline, fee, spec);
    }

    /// @inheritdoc ITraining
    function complete(bytes32 jobId, bool ok, bytes calldata result) external {
        // Check
        if (msg.sender != block.coinbase) revert NotProducer(msg.sender, block.coinbase);
        TrainingJob memory job = _open(jobId);
        if (block.timestamp > job.deadline) revert DeadlinePassed(jobId, job.deadline);
        if (result.length > MAX_RESULT_BYTES) revert ResultTooLong(result.length, MAX_RESULT_BYTES);

        // Effect
        _jobs[jobId].state = ok ? JobState.Succeeded : JobState.Failed;
        _results[jobId] = SSTORE2.write(result);
        _credit(msg.sender, job.fee);

        // Interaction
        bool callbackOk = _callBack(job, abi.encodeCall(ITrainingConsumer.rawReceiveTraining, (jobId, ok, result)));

        emit TrainingCompleted(jobId, job.owner, msg.sender, ok, result, callbackOk);
    }

    /// @inheritdoc ITraining
    function cancel(bytes32 jobId) external {
        // Check
        TrainingJob memory job = _open(jobId);
        if (msg.sender != job.owner) revert NotOwner(jobId, job.owner);
        if (block.timestamp <= job.deadline) revert DeadlineNotPassed(jobId, job.deadline);

        // Effect
        _jobs[jobId].state = JobState.Cancelled;
        _credit(job.owner, job.fee);

        emit TrainingCancelled(jobId, job.owner);
    }

    /// @inheritdoc ITraining
    function getJob(bytes32 jobId) external view returns (TrainingJob memory) {
        return _jobs[jobId];
    }

    /// @inheritdoc ITraining
    function resultOf(bytes32 jobId) external view returns (bytes memory) {
        address pointer = _results[jobId];
        return pointer == address(0) ? bytes("") : SSTORE2.read(pointer);
    }

    /// @inheritdoc ITraining
    function nextJobId(address owner, bytes calldata spec) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), owner, _counts[owner], keccak256(spec)));
    }

    function _open(bytes32 jobId) private view returns (TrainingJob memory job) {
        job = _jobs[jobId];
        if (job.state != JobState.Open) revert JobNotOpen(jobId, job.state);
    }

    /// @dev Exactly the owner's gas or nothing at all; what it returns is not copied.
    function _callBack(TrainingJob memory job, bytes memory data) private returns (bool ok) {
        (address owner, uint256 callbackGas) = (job.owner, job.callbackGas);
        if (owner.code.length == 0) return true;
        uint256 required = callbackGas * 64 / 63 + RESERVE_GAS;
        if (gasleft() < required) revert InsufficientGas(gasleft(), required);
        assembly ("memory-safe") {
            ok := call(callbackGas, owner, 0, add(data, 0x20), mload(data), 0, 0)
        }
    }
}
