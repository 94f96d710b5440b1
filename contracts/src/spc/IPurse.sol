// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IPurse
/// @notice ETH that a system contract of the execution layer keeps for its users.
interface IPurse {
    /// @notice `account` has so much more: a deposit, what a call did not use, or what it earned.
    event Credited(address indexed account, uint256 amount);

    /// @notice `account` has sent a part of its balance to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice The account has `balance` wei, and `required` were to be taken from it.
    error InsufficientBalance(address account, uint256 balance, uint256 required);

    /// @notice Nobody could ever use what is sent there: the account is zero.
    error InvalidAccount(address account);

    /// @notice `to` refused the ETH.
    error TransferFailed(address to, uint256 amount);

    /// @notice Adds the value to the balance of `account`.
    function deposit(address account) external payable;

    /// @notice Sends `amount` wei of the caller's balance to `to`.
    function withdraw(address to, uint256 amount) external;

    /// @notice What an account may withdraw or spend, in wei.
    function balanceOf(address account) external view returns (uint256);
}
