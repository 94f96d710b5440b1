// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPurse} from "./IPurse.sol";

/// @notice How a training job stands.
enum JobState {
    None,
    Open,
    Succeeded,
    Failed,
    Cancelled
}

/// @notice A training job.
struct TrainingJob {
    address owner;
    /// Gas of the owner's callback.
    uint32 callbackGas;
    /// Timestamp (seconds) until which it may be answered.
    uint40 deadline;
    JobState state;
    bytes32 specHash;
    /// Wei that the producer earns by answering.
    uint128 fee;
}

/// @title ITraining
/// @notice Training jobs: asked for in one block, worked on off the chain, answered in a later one. At 0x0813 of every
/// execution layer that enables it.
/// @dev Assumptions:
/// - The producer of the block that answers is trusted with the result: it says that the producer trained so, nothing
///   more.
/// - On a layer with tensor inference (0x0800) the producer publishes what was trained before it answers, so that the
///   callback can ask it. A model is known by its hash, and what it answers is computed again by every node.
/// - `spec` is JSON, for instance `{"workflow": "digits", "seed": 7}`; what a layer trains, its operator says.
/// - The producer takes the jobs whose fee meets its price. The fee is paid with the answer, a failure included: the work
///   was done. A job that nobody has answered by its deadline is cancelled by its owner and costs nothing.
/// - The owner is called back with exactly `callbackGas` gas; a callback that fails undoes nothing, and the result can
///   still be read by `resultOf`. An owner without code is not called.
interface ITraining is IPurse {
    /// @notice `owner` asks for a training.
    event TrainingSubmitted(
        bytes32 indexed jobId, address indexed owner, uint32 callbackGas, uint40 deadline, uint128 fee, bytes spec
    );

    /// @notice The producer has answered a job.
    /// @param ok Whether the training succeeded; `result` then is what the workflow defines, else a reason in UTF-8.
    /// @param callbackOk Whether the owner's callback succeeded; true where there was none to call.
    event TrainingCompleted(
        bytes32 indexed jobId, address indexed owner, address indexed producer, bool ok, bytes result, bool callbackOk
    );

    /// @notice Its owner has cancelled a job that was not answered in time.
    event TrainingCancelled(bytes32 indexed jobId, address indexed owner);

    /// @notice The job is not open: answered, cancelled, or never asked for.
    error JobNotOpen(bytes32 jobId, JobState state);

    /// @notice Only the producer of the block answers jobs.
    error NotProducer(address caller, address producer);

    /// @notice Only its owner cancels a job.
    error NotOwner(bytes32 jobId, address owner);

    /// @notice It is too late to answer: the deadline was `deadline`.
    error DeadlinePassed(bytes32 jobId, uint40 deadline);

    /// @notice It is too early to cancel.
    error DeadlineNotPassed(bytes32 jobId, uint40 deadline);

    /// @notice The deadline lies in the past.
    error InvalidDeadline(uint40 deadline, uint256 present);

    /// @notice The specification is empty or longer than a job's may be.
    error InvalidSpec(uint256 length, uint256 maximum);

    /// @notice No callback may have more gas than this.
    error CallbackGasTooHigh(uint256 callbackGas, uint256 maximum);

    /// @notice The result is longer than a result may be.
    error ResultTooLong(uint256 length, uint256 maximum);

    /// @notice The value does not fit 128 bits.
    error FeeTooHigh(uint256 fee);

    /// @notice The transaction has too little gas left for the callback's; nothing happened.
    error InsufficientGas(uint256 left, uint256 required);

    /// @notice Asks for a training with a callback of 300,000 gas and a deadline in a day. The value is the fee.
    function submit(bytes calldata spec) external payable returns (bytes32 jobId);

    /// @notice Asks for a training. The value is the fee.
    /// @return jobId Commits to the owner and the specification: an answer fits no other job, whatever a reorg does.
    function submit(bytes calldata spec, uint32 callbackGas, uint40 deadline) external payable returns (bytes32 jobId);

    /// @notice Answers a job and calls its owner back. Only for the producer of the block.
    function complete(bytes32 jobId, bool ok, bytes calldata result) external;

    /// @notice Cancels a job of the caller's after its deadline. The fee returns to the caller's balance.
    function cancel(bytes32 jobId) external;

    /// @notice A job; its state is `None` where there is none.
    function getJob(bytes32 jobId) external view returns (TrainingJob memory);

    /// @notice What a job was answered with; empty before.
    function resultOf(bytes32 jobId) external view returns (bytes memory);

    /// @notice The id that the next job of `owner` with this specification will have.
    function nextJobId(address owner, bytes calldata spec) external view returns (bytes32);
}

/// @title ITrainingConsumer
/// @notice What a contract implements to be called with a training's result.
interface ITrainingConsumer {
    /// @notice Must accept calls of the Training contract alone.
    function rawReceiveTraining(bytes32 jobId, bool ok, bytes calldata result) external;
}
