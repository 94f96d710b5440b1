// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IEmbeddings
/// @notice Texts as vectors: what texts are about decides how near their vectors are. At 0x0811 of every execution layer
/// that enables it.
/// @dev Assumptions:
/// - `model` is the manifest hash of a model that is published at 0x0800 and made for texts: one of its files is
///   `tokenizer.json`. Every node computes its vectors itself. A layer may name further models by the keccak256 of a name;
///   their vectors are those that the producer of the block wrote into it.
/// - Vectors are int8 and scaled to the length 127, so an inner product is about 16,129 times the cosine of the angle.
///   A text of which the model knows nothing has the zero vector.
interface IEmbeddings {
    /// @notice The vector of a text.
    /// @param text UTF-8, at most 16 KiB.
    /// @return vector One int8 for each dimension, as `IVectorDatabase` takes it.
    function embed(bytes32 model, string calldata text) external view returns (bytes memory vector);

    /// @notice The number of dimensions of a published model's vectors.
    function dimensionOf(bytes32 model) external view returns (uint16 dimension);
}
