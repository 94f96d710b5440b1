// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPurse} from "./IPurse.sol";

/// @title Purse
/// @notice Balances of ETH. Nothing is pushed: who is owed something withdraws it.
abstract contract Purse is IPurse {
    /// @inheritdoc IPurse
    mapping(address account => uint256) public balanceOf;

    /// @inheritdoc IPurse
    function deposit(address account) external payable {
        // Check
        _checkAccount(account);

        // Effect
        _credit(account, msg.value);
    }

    /// @inheritdoc IPurse
    function withdraw(address to, uint256 amount) external {
        // Check
        _checkAccount(to);

        // Check and effect
        _take(msg.sender, amount);

        emit Withdrawn(msg.sender, to, amount);

        // Interaction
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }

    function _checkAccount(address account) private pure {
        if (account == address(0)) revert InvalidAccount(account);
    }

    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        balanceOf[account] += amount;
        emit Credited(account, amount);
    }

    function _take(address account, uint256 amount) internal {
        uint256 balance = balanceOf[account];
        if (amount > balance) revert InsufficientBalance(account, balance, amount);
        balanceOf[account] = balance - amount;
    }
}
