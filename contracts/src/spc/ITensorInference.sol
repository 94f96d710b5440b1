// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title ITensorInference
/// @notice Published models, run inside a transaction. At 0x0800 of every execution layer that enables it.
/// @dev Assumptions:
/// - Every node computes every answer itself. Features and outputs are the ABI bytes that the manifest declares, and an
///   output is byte for byte what a node of the network delivers for the same model.
/// - Anyone may publish; what is published stays. A model is known by the hash of its manifest, which covers its files.
/// - Models are ONNX graphs whose determinism is `exact` (integers throughout, checked) or `rounded`. Operators that are
///   random, that loop, or whose results' shapes depend on values are refused, as is an integer division by what might
///   be zero, and int8 weights of more than 7 bits.
/// - Gas is charged for the multiply-accumulates of the features given, before they are done.
/// - A call that fails reverts with `Error(string)`: a code, and what is wrong.
interface ITensorInference {
    /// @notice Keeps a file of a model; one of more than a megabyte is put in parts. Putting it again costs its hash.
    /// @return sha256Hash The file's sha256.
    function putBlob(bytes calldata data) external returns (bytes32 sha256Hash);

    /// @notice Keeps the file that consists of these blobs, one after the other.
    /// @return sha256Hash The whole file's sha256.
    function assemble(bytes32[] calldata parts) external returns (bytes32 sha256Hash);

    /// @notice Whether a file was put on this chain, and its size.
    function fileSize(bytes32 sha256Hash) external view returns (bool exists, uint256 sizeBytes);

    /// @notice Publishes a model whose files were put before. Publishing it again changes nothing.
    /// @param manifest The manifest, as JSON.
    /// @return manifestHash The sha256 of the manifest's canonical form: how the model is called from now on.
    function publish(bytes calldata manifest) external returns (bytes32 manifestHash);

    /// @notice Whether there is such a model on this chain.
    function isPublished(bytes32 manifestHash) external view returns (bool);

    /// @notice A model's manifest, as JSON in its canonical form.
    function manifestOf(bytes32 manifestHash) external view returns (bytes memory manifest);

    /// @notice Gas for the work of one `infer`, beside the price of a call and of its bytes.
    /// @param extent The extent of the graph's open dimension (the rows of a batch); any number where it has none.
    function quote(bytes32 manifestHash, uint256 extent) external view returns (uint256 gas);

    /// @notice What the model answers.
    function infer(bytes32 manifestHash, bytes calldata features) external view returns (bytes memory output);
}
