// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice One turn of a conversation.
struct Message {
    /// "system", "user" or "assistant".
    string role;
    string content;
}

/// @title ILlm
/// @notice Large language models inside a transaction. At 0x0802 of every execution layer that enables it.
/// @dev Assumptions:
/// - What an answer proves: that the producer of the block wrote it into the block. The engine is asked greedily
///   (temperature 0) with the seed, so that who runs the same engine can compare; nobody is made to.
/// - The engine is asked once, by the producer, when the transaction is executed; followers take the answer from the
///   block. `eth_call` and `eth_estimateGas` ask on their own and may see another answer.
/// - `model` is a name that the layer's operator gave; an unknown one reverts and its reason lists those there are.
/// - Gas is charged for each byte of the prompt and each token of the answer. The gas for `maxTokens` tokens must be there
///   before the engine is asked. An engine that fails or takes too long reverts with a reason; the prompt is charged.
/// - A text that others control can make the model say anything: do not let its words decide over money alone.
interface ILlm {
    /// @notice Continues a prompt.
    /// @param maxTokens The most tokens of the answer.
    /// @return text The answer, in UTF-8.
    /// @return promptTokens As the engine counts them.
    /// @return completionTokens As the engine counts them.
    function complete(string calldata model, string calldata prompt, uint32 maxTokens, uint64 seed)
        external
        view
        returns (string memory text, uint32 promptTokens, uint32 completionTokens);

    /// @notice Answers a conversation.
    function chat(string calldata model, Message[] calldata messages, uint32 maxTokens, uint64 seed)
        external
        view
        returns (string memory text, uint32 promptTokens, uint32 completionTokens);
}
