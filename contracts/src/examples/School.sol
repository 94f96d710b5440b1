// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Inference} from "../spc/Inference.sol";
import {TrainingConsumer} from "../spc/TrainingConsumer.sol";
import {Dtype, Tensor} from "../Tensor.sol";

/// @title School
/// @notice Has a model trained that tells which digit an 8 × 8 picture shows, and asks it as soon as it is there.
contract School is TrainingConsumer {
    /// @param accuracy Of the model on pictures that it never saw, in ten-thousandths.
    event Trained(bytes32 indexed jobId, bytes32 indexed model, uint256 accuracy, uint256 digit);

    event Failed(bytes32 indexed jobId, string reason);

    uint32 public constant CALLBACK_GAS = 500_000;

    /// @notice The last model that was trained; zero before the first.
    bytes32 public model;

    /// @notice What it answered to the picture that came with the request.
    uint256 public digit;

    bytes private _picture;

    /// @notice Asks for a training. The value is its fee.
    /// @param spec For instance `{"workflow": "digits", "seed": 7}`.
    /// @param picture 64 bytes, one per pixel, row by row, that the new model is asked about at once.
    function train(bytes calldata spec, bytes calldata picture) external payable returns (bytes32 jobId) {
        _picture = picture;
        return TRAINING.submit{value: msg.value}(spec, CALLBACK_GAS, uint40(block.timestamp + 1 days));
    }

    /// @notice Which digit the last model sees in a picture.
    function classify(bytes memory picture) public view returns (uint256) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, uint32(picture.length));
        return uint256(Inference.infer(model, Tensor(Dtype.UINT8, 0, shape, picture))[0]);
    }

    function _receiveTraining(bytes32 jobId, bool ok, bytes calldata result) internal override {
        if (!ok) {
            emit Failed(jobId, string(result));
            return;
        }
        uint32 accuracy;
        (model,, accuracy) = abi.decode(result, (bytes32, string, uint32));
        digit = classify(_picture);
        emit Trained(jobId, model, accuracy, digit);
    }
}
