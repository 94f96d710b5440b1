// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title ILedger
/// @notice The money inside the Coordinator: balances of ETH and ERC-20 tokens, and what of them is locked.
/// @dev Assumptions:
/// - A balance is free or locked. Free: its account may withdraw it or lock it for a request. Locked: it is promised to
///   nodes, and only a delivery, an expiry or a settlement moves it.
/// - Whoever earns is credited here and withdraws when it likes: nothing is ever pushed.
/// - For each token `totalOf` is the sum of all balances, free and locked, and never exceeds what the contract holds.
///   A token that takes a fee is credited by what arrived. Tokens whose balances change by themselves (rebasing), and
///   tokens that lie about balances, are not supported: they harm those who hold them here and nobody else.
/// - The address of the token ETH is zero.
interface ILedger {
    /// @notice `from` has deposited for `account`; `amount` is what arrived.
    event Deposited(address indexed from, address indexed account, address indexed token, uint256 amount);

    /// @notice `account` has sent `amount` of its free balance to `to`.
    event Withdrawn(address indexed account, address indexed to, address indexed token, uint256 amount);

    /// @notice Subscriptions of `owner` may lock so much more of what `payer` has.
    event Allowed(address indexed payer, address indexed owner, address indexed token, uint128 amount);

    /// @notice `account` has earned: as a node, a creator, a verifier or the protocol.
    event Credited(address indexed account, address indexed token, uint256 amount);

    /// @notice The ETH sent is not what it has to be.
    error WrongValue(uint256 given, uint256 required);

    /// @notice Nobody could ever use what stands there: the account is zero or the ledger itself.
    error InvalidAccount(address account);

    /// @notice There is no contract at the token's address.
    error TokenWithoutCode(address token);

    /// @notice `account` has `free` of the token in the ledger, which is less than is required of it.
    error InsufficientBalance(address account, address token, uint256 free, uint256 required);

    /// @notice `payer` has allowed subscriptions of `owner` to lock less, from now on, than is required.
    error InsufficientAllowance(address payer, address owner, address token, uint256 allowed, uint256 required);

    /// @notice The ledger holds at most 2^128 - 1 of a token's smallest unit.
    error TotalTooHigh(address token, uint256 total);

    /// @notice The receiver did not take the ETH.
    error TransferFailed(address to, uint256 amount);

    /// @notice The token took more than was withdrawn.
    error TookTooMuch(address token, uint256 taken, uint256 amount);

    /// @notice Deposits ETH (`token` zero, `amount` equal to the value) or tokens that the caller has approved.
    /// @param account Who can use it: the caller or anybody else.
    /// @param token The token; zero: ETH.
    /// @param amount In the token's smallest unit (ETH: wei).
    /// @return credited What arrived, in the same unit.
    function deposit(address account, address token, uint256 amount) external payable returns (uint256 credited);

    /// @notice Sends a part of the caller's free balance to `to`.
    function withdraw(address to, address token, uint256 amount) external;

    /// @notice Lets subscriptions of `owner` that name the caller as payer lock up to `amount` in all, from now on;
    /// type(uint128).max: without limit. What is locked already stays locked.
    function allow(address owner, address token, uint128 amount) external;

    /// @notice What an account has in the ledger, in the token's smallest unit (ETH: wei): free to withdraw or to
    /// spend, and locked for answers.
    function balanceOf(address account, address token) external view returns (uint128 free, uint128 locked);

    /// @notice How much more subscriptions of `owner` may lock of what `payer` has; type(uint128).max: without limit.
    function allowance(address payer, address owner, address token) external view returns (uint128);

    /// @notice All balances of a token together, free and locked.
    function totalOf(address token) external view returns (uint256);
}
