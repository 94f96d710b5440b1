// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Cheat codes that only these tests use.
interface VmMore {
    function deal(address account, uint256 balance) external;
    function startPrank(address sender) external;
    function stopPrank() external;
}

interface VmJson {
    function parseJsonAddressArray(string calldata json, string calldata key) external pure returns (address[] memory);
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
}

VmMore constant vmMore = VmMore(address(uint160(uint256(keccak256("hevm cheat code")))));
