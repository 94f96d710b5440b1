// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IRag
/// @notice Answers from texts that a contract keeps: embeds the question, searches a collection of the vector database,
/// and has a language model answer from what was found. At 0x0812 of every execution layer that enables it.
/// @dev Assumptions:
/// - The same holds as for `ILlm`: the answer is one that the producer of the block wrote into it. What was found, and in
///   which order, can be checked by `IVectorDatabase.search`, which every follower computes.
/// - A vector's text is its metadata, as UTF-8.
/// - `embedder` is the model that made the collection's vectors, as `IEmbeddings.embed` knows it.
/// - Texts that do not fit into the model's prompt are left out, the least near first.
/// - Whoever may write to the collection can make the model say anything.
interface IRag {
    /// @notice Answers a question from the `k` texts of a collection that are nearest to it.
    /// @param k How many texts at most.
    /// @param model As in `ILlm.chat`.
    /// @param maxTokens The most tokens of the answer.
    /// @return text The answer, in UTF-8.
    /// @return ids The vectors whose texts the model was given, the nearest first.
    function answer(
        bytes32 collection,
        bytes32 embedder,
        string calldata question,
        uint16 k,
        string calldata model,
        uint32 maxTokens
    ) external view returns (string memory text, uint256[] memory ids);
}
