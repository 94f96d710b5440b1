// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the clients in these tests deploy and call.
contract Guestbook {
    event Signed(address indexed guest, uint256 indexed entry, string message);

    error NothingSaid(address guest);

    uint256 public entries;
    mapping(uint256 entry => string) public messages;

    constructor(string memory first) {
        _sign(first);
    }

    function sign(string calldata message) external payable returns (uint256 entry) {
        return _sign(message);
    }

    function refuse() external pure {
        revert("the book is closed");
    }

    function _sign(string memory message) private returns (uint256 entry) {
        if (bytes(message).length == 0) revert NothingSaid(msg.sender);
        entry = ++entries;
        messages[entry] = message;
        emit Signed(msg.sender, entry, message);
    }
}
