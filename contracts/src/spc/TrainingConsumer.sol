// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ITraining, ITrainingConsumer} from "./ITraining.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @title TrainingConsumer
/// @notice What a contract inherits to ask for trainings and to be called with their results.
abstract contract TrainingConsumer is ITrainingConsumer {
    ITraining internal constant TRAINING = ITraining(SpcAddresses.TRAINING);

    /// @notice Only the Training contract brings results.
    error NotTraining(address caller);

    /// @inheritdoc ITrainingConsumer
    function rawReceiveTraining(bytes32 jobId, bool ok, bytes calldata result) external {
        if (msg.sender != address(TRAINING)) revert NotTraining(msg.sender);
        _receiveTraining(jobId, ok, result);
    }

    /// @dev A training that this contract has asked for has ended.
    /// @param ok Whether it succeeded; `result` then is what the workflow defines, else a reason in UTF-8.
    function _receiveTraining(bytes32 jobId, bool ok, bytes calldata result) internal virtual;
}
