// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IVerifier} from "./IVerifier.sol";

/// @title IOnchainVerifier
/// @notice Runs a small integer model itself. For such models this is cheaper than checking any proof.
/// @dev Assumptions:
/// - A model is known by the hash of its content, so anyone may store one and nobody can change it. That the model is
///   the one of the container is the consumer's to check, when it writes the model's id into its terms.
/// - Parameters: `abi.encode(bytes32 modelId)`. Proof: `abi.encode(bytes32 modelId, bytes features)`.
/// - Features: `abi.encode(Tensor)` of uint8, shape [n, inputs]. Output: `abi.encode(int256[])`, n labels (the first of
///   the largest scores) or n · outputs scores. Both as the manifest of such a model declares them.
/// - The arithmetic is that of the ONNX graph, layer by layer: MatMulInteger (uint8 × int8 → int32), Add of the bias
///   (int32); after each layer but the last Div by the divisor (int32), Clip to 0 … 255, Cast to uint8; at the end
///   nothing (scores) or ArgMax with the first index. The limits below keep every sum within int32.
interface IOnchainVerifier is IVerifier {
    /// @notice What the last layer's scores become.
    enum Head {
        /// The index of the largest, the first of equals.
        Label,
        /// The scores as they are.
        Scores
    }

    /// @notice Of `inputs` uint8 numbers it makes `outputs` sums.
    struct Layer {
        /// Rows of the weights; as many as the layer before has outputs.
        uint16 inputs;
        /// Columns of the weights.
        uint16 outputs;
        /// After the layer, what its sums are divided by; 0 after the last.
        uint32 divisor;
        /// int8, row-major [inputs, outputs]: the bytes of the ONNX initializer.
        bytes weights;
        /// int32, big-endian, one for each output; each at most 2^30 from zero.
        bytes bias;
    }

    /// @notice The layers in their order, and what comes of the last.
    struct Model {
        /// Labels or scores.
        Head head;
        /// From 1 to 4.
        Layer[] layers;
    }

    /// @notice The model can be named in terms from now on.
    event ModelStored(bytes32 indexed modelId, address data);

    /// @notice The parameters are not `abi.encode(bytes32 modelId)`.
    error InvalidParams(bytes params);

    /// @notice No model of this id was stored here.
    error ModelNotStored(bytes32 modelId);

    /// @notice No layers, or more than 4.
    error InvalidDepth(uint256 layers);

    /// @notice The layer's numbers do not fit each other, the layer before, or the limits.
    error InvalidLayer(uint256 index);

    /// @notice A data contract holds at most 24,575 bytes.
    error ModelTooLarge(uint256 size);

    /// @notice The terms name another model.
    error ModelMismatch(bytes32 modelId, bytes32 verifierParams);

    /// @notice These are not the features that the claim is about.
    error FeaturesMismatch(bytes32 given, bytes32 claimed);

    /// @notice Features are a uint8 tensor of shape [n, inputs], n > 0.
    error InvalidFeatures();

    /// @notice Stores a model. Storing it again does nothing.
    /// @return modelId `keccak256(abi.encode(model))`.
    function storeModel(Model calldata model) external returns (bytes32 modelId);

    /// @notice The data contract of a model; zero: none.
    function dataOf(bytes32 modelId) external view returns (address);

    /// @notice What the model answers.
    function run(bytes32 modelId, bytes calldata features) external view returns (bytes memory output);
}
