// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title SpcAddresses
/// @notice Where the stateful precompiles stand, on every execution layer that enables them.
library SpcAddresses {
    address internal constant TENSOR_INFERENCE = address(0x0800);
    address internal constant HTTP = address(0x0801);
    address internal constant LLM = address(0x0802);
    address internal constant VECTOR_DATABASE = address(0x0810);
    address internal constant EMBEDDINGS = address(0x0811);
    address internal constant RAG = address(0x0812);
    address internal constant TRAINING = address(0x0813);
    address internal constant PROOF_VERIFIER = address(0x0820);
    address internal constant SCHEDULER = address(0x0830);
}
