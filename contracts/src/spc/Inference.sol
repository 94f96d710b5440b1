// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Dtype, Tensor, Tensors} from "../Tensor.sol";
import {ITensorInference} from "./ITensorInference.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @title Inference
/// @notice Published models in a line.
library Inference {
    ITensorInference internal constant MODELS = ITensorInference(SpcAddresses.TENSOR_INFERENCE);

    /// @notice What the model answers to features as they are.
    function infer(bytes32 model, bytes memory features) internal view returns (bytes memory output) {
        return MODELS.infer(model, features);
    }

    /// @notice What a model answers that takes one tensor and gives integers.
    function infer(bytes32 model, Tensor memory features) internal view returns (int256[] memory output) {
        return Tensors.decodeInts(MODELS.infer(model, Tensors.encode(features)));
    }

    /// @notice What a model answers that takes and gives integers.
    function infer(bytes32 model, int256[] memory features) internal view returns (int256[] memory output) {
        return Tensors.decodeInts(MODELS.infer(model, Tensors.encodeInts(features)));
    }

    /// @notice What a model answers to one vector of int8, such as an embedding.
    function inferVector(bytes32 model, bytes memory vector) internal view returns (int256[] memory output) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, uint32(vector.length));
        return infer(model, Tensor(Dtype.INT8, 0, shape, vector));
    }
}
