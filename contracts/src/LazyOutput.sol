// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title LazyOutput
/// @notice Outputs of subscriptions in lazy mode: not the bytes, but their hash and where they are.
library LazyOutput {
    /// @notice What a node delivers.
    function encode(bytes32 sha256Hash, string memory uri) internal pure returns (bytes memory) {
        return abi.encode(sha256Hash, uri);
    }

    /// @notice What a consumer reads. Whoever fetches the bytes compares them with the hash.
    function decode(bytes calldata output) internal pure returns (bytes32 sha256Hash, string memory uri) {
        return abi.decode(output, (bytes32, string));
    }

    /// @notice Whether `output` is what `encode` makes, of an address that is not empty.
    function isWellFormed(bytes calldata output) internal pure returns (bool) {
        if (output.length < 128) return false; // hash, offset, length, at least a word of address
        if (uint256(bytes32(output[32:64])) != 64) return false;
        uint256 length = uint256(bytes32(output[64:96]));
        if (length == 0 || length > output.length) return false;
        return output.length == 96 + (length + 31) / 32 * 32;
    }
}
