// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEmbeddings} from "./IEmbeddings.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @title Embeddings
/// @notice Texts as vectors in a line.
library Embeddings {
    IEmbeddings internal constant TEXTS = IEmbeddings(SpcAddresses.EMBEDDINGS);

    /// @notice The vector of a text.
    function embed(bytes32 model, string memory text) internal view returns (bytes memory vector) {
        return TEXTS.embed(model, text);
    }
}
