// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {Lock} from "./Lock.sol";

/// @title Ledger
/// @notice Balances per (account, token), and what of them is locked.
/// @dev Only `deposit` and `withdraw` change the totals; everything else moves money between balances. No total exceeds
/// 2^128 - 1, so no sum of balances overflows.
abstract contract Ledger is ILedger, Lock {
    using SafeERC20 for IERC20;

    struct Balance {
        uint128 free;
        uint128 locked;
    }

    /// @inheritdoc ILedger
    mapping(address token => uint256) public totalOf;

    /// @inheritdoc ILedger
    mapping(address account => mapping(address token => Balance)) public balanceOf;

    /// @inheritdoc ILedger
    mapping(address payer => mapping(address owner => mapping(address token => uint128))) public allowance;

    /// @inheritdoc ILedger
    function deposit(address account, address token, uint256 amount) external payable returns (uint256 credited) {
        _checkFree();

        // Check
        _checkAccount(account);
        uint256 value = token == address(0) ? amount : 0;
        if (msg.value != value) revert WrongValue(msg.value, value);

        // Interaction: only then is it known what arrived.
        credited = token == address(0) ? amount : _pull(token, amount);

        // Effect
        uint256 total = totalOf[token] + credited;
        if (total > type(uint128).max) revert TotalTooHigh(token, total);
        totalOf[token] = total;
        balanceOf[account][token].free += uint128(credited);

        emit Deposited(msg.sender, account, token, credited);
    }

    /// @inheritdoc ILedger
    function withdraw(address to, address token, uint256 amount) external {
        _checkFree();

        // Check
        _checkAccount(to);
        Balance storage balance = balanceOf[msg.sender][token];
        if (amount > balance.free) revert InsufficientBalance(msg.sender, token, balance.free, amount);

        // Effect
        balance.free -= uint128(amount);
        totalOf[token] -= amount;

        emit Withdrawn(msg.sender, to, token, amount);

        // Interaction
        _push(to, token, amount);
    }

    /// @inheritdoc ILedger
    function allow(address owner, address token, uint128 amount) external {
        _checkFree();

        // Effect
        allowance[msg.sender][owner][token] = amount;

        emit Allowed(msg.sender, owner, token, amount);
    }

    /// @dev Locks for a subscription of `owner`, or reverts.
    function _lockFunds(address payer, address owner, address token, uint256 amount) internal {
        if (_tryLockFunds(payer, owner, token, amount)) return;
        uint256 free = balanceOf[payer][token].free;
        if (amount > free) revert InsufficientBalance(payer, token, free, amount);
        revert InsufficientAllowance(payer, owner, token, allowance[payer][owner][token], amount);
    }

    /// @dev Locks for a subscription of `owner`, or changes nothing.
    function _tryLockFunds(address payer, address owner, address token, uint256 amount) internal returns (bool) {
        // Check
        Balance memory balance = balanceOf[payer][token];
        if (amount > balance.free) return false;

        // Check and effect
        if (payer != owner) {
            uint128 allowed = allowance[payer][owner][token];
            if (amount > allowed) return false;
            if (allowed != type(uint128).max) allowance[payer][owner][token] = allowed - uint128(amount);
        }

        // Effect
        balance.free -= uint128(amount);
        balance.locked += uint128(amount);
        balanceOf[payer][token] = balance;
        return true;
    }

    /// @dev What was locked is free again.
    function _release(address payer, address token, uint256 amount) internal {
        Balance memory balance = balanceOf[payer][token];
        balance.locked -= uint128(amount);
        balance.free += uint128(amount);
        balanceOf[payer][token] = balance;
    }

    /// @dev What was locked leaves the payer. The caller credits all of it.
    function _spend(address payer, address token, uint256 amount) internal {
        balanceOf[payer][token].locked -= uint128(amount);
    }

    function _credit(address account, address token, uint256 amount) internal {
        if (amount == 0) return;
        balanceOf[account][token].free += uint128(amount);
        emit Credited(account, token, amount);
    }

    function _checkAccount(address account) private view {
        if (account == address(0) || account == address(this)) revert InvalidAccount(account);
    }

    /// @dev Nothing can be entered while the token runs.
    function _pull(address token, uint256 amount) private returns (uint256 arrived) {
        if (token.code.length == 0) revert TokenWithoutCode(token);
        _lock = LOCKED;
        uint256 before = _holdings(token);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        arrived = _holdings(token) - before;
        _lock = FREE;
    }

    /// @dev Nothing can be entered while the token or the receiver runs.
    function _push(address to, address token, uint256 amount) private {
        _lock = LOCKED;
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert TransferFailed(to, amount);
        } else {
            uint256 before = _holdings(token);
            IERC20(token).safeTransfer(to, amount);
            uint256 left = _holdings(token);
            if (left + amount < before) revert TookTooMuch(token, before - left, amount);
        }
        _lock = FREE;
    }

    function _holdings(address token) private view returns (uint256) {
        return IERC20(token).balanceOf(address(this));
    }
}
