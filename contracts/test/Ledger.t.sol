// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Base} from "./Base.sol";
import {FalseToken, GreedyToken, Receiver, ReentrantToken, SilentToken, TaxToken, Token} from "./Mocks.sol";

/// @dev Deposits, withdrawals, allowances.
contract LedgerTest is Base {
    address private constant ALICE = address(0xA1);
    address private constant BOB = address(0xB2);

    function _token(string memory name) private returns (address token) {
        token = vm.deployCode(string.concat("Mocks.sol:", name));
        Token(token).mint(ALICE, 1_000_000);
        if (keccak256(bytes(name)) == keccak256("SilentToken")) return token; // it asks nobody
        vm.prank(ALICE);
        Token(token).approve(address(coordinator), FOREVER);
    }

    function _deposit(address account, address token, uint256 amount) private returns (uint256) {
        vm.prank(ALICE);
        return coordinator.deposit(account, token, amount);
    }

    function _assertBalance(address account, address token, uint256 free, uint256 locked) private view {
        (uint128 isFree, uint128 isLocked) = coordinator.balanceOf(account, token);
        vm.assertEq(isFree, free, "free");
        vm.assertEq(isLocked, locked, "locked");
    }

    // --- ETH

    function testFuzz_DepositsEtherForAnyone(address account, uint128 amount) public {
        vm.assume(account != address(0) && account != address(coordinator));
        vm.deal(ALICE, amount);
        vm.expectEmit(address(coordinator));
        emit ILedger.Deposited(ALICE, account, address(0), amount);
        vm.prank(ALICE);
        vm.assertEq(coordinator.deposit{value: amount}(account, address(0), amount), amount);
        _assertBalance(account, address(0), amount, 0);
        vm.assertEq(coordinator.totalOf(address(0)), amount);
        vm.assertEq(address(coordinator).balance, amount);
    }

    function testFuzz_WithdrawsEther(uint128 amount, uint128 part) public {
        vm.deal(ALICE, amount);
        vm.prank(ALICE);
        coordinator.deposit{value: amount}(BOB, address(0), amount);
        part = uint128(_bound(part, 0, amount));

        vm.expectEmit(address(coordinator));
        emit ILedger.Withdrawn(BOB, ALICE, address(0), part);
        vm.prank(BOB);
        coordinator.withdraw(ALICE, address(0), part);
        vm.assertEq(ALICE.balance, part);
        _assertBalance(BOB, address(0), amount - part, 0);
        vm.assertEq(coordinator.totalOf(address(0)), amount - part);

        vm.prank(BOB);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedger.InsufficientBalance.selector, BOB, address(0), amount - part, uint256(amount) - part + 1
            )
        );
        coordinator.withdraw(ALICE, address(0), uint256(amount) - part + 1);
    }

    function testFuzz_RevertWhen_TheValueIsNotTheAmount(uint128 value, uint128 amount) public {
        vm.assume(value != amount);
        vm.deal(ALICE, value);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongValue.selector, value, amount));
        coordinator.deposit{value: value}(ALICE, address(0), amount);
    }

    function test_RevertWhen_EtherComesWithTokens() public {
        address token = _token("Token");
        vm.deal(ALICE, 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongValue.selector, 1, 0));
        coordinator.deposit{value: 1}(ALICE, token, 1);
    }

    function test_RevertWhen_EtherIsJustSent() public {
        vm.deal(address(this), 1);
        (bool ok,) = address(coordinator).call{value: 1}("");
        vm.assertFalse(ok);
    }

    function test_RevertWhen_TheAccountIsNobody() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.InvalidAccount.selector, address(0)));
        coordinator.deposit(address(0), address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InvalidAccount.selector, address(coordinator)));
        coordinator.deposit(address(coordinator), address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InvalidAccount.selector, address(0)));
        coordinator.withdraw(address(0), address(0), 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InvalidAccount.selector, address(coordinator)));
        coordinator.withdraw(address(coordinator), address(0), 0);
    }

    function test_RevertWhen_TheReceiverRefuses() public {
        Receiver receiver = new Receiver();
        vm.deal(ALICE, 5);
        vm.prank(ALICE);
        coordinator.deposit{value: 5}(ALICE, address(0), 5);
        receiver.setRefuses(true);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.TransferFailed.selector, address(receiver), 5));
        coordinator.withdraw(address(receiver), address(0), 5);
        _assertBalance(ALICE, address(0), 5, 0);
    }

    function test_EverythingIsLockedWhileTheReceiverRuns() public {
        Receiver receiver = new Receiver();
        vm.deal(ALICE, 5);
        vm.prank(ALICE);
        coordinator.deposit{value: 5}(address(receiver), address(0), 5);
        receiver.setScript(address(coordinator), abi.encodeCall(ILedger.withdraw, (address(receiver), address(0), 1)));
        vm.prank(address(receiver));
        coordinator.withdraw(address(receiver), address(0), 2);
        vm.assertFalse(receiver.scriptOk());
        vm.assertEq(receiver.scriptResult(), abi.encodeWithSelector(ICoordinator.Reentered.selector));
        _assertBalance(address(receiver), address(0), 3, 0);
        vm.assertEq(address(receiver).balance, 2);
    }

    // --- Tokens

    function testFuzz_DepositsAndWithdrawsTokens(uint256 amount) public {
        amount = _bound(amount, 0, 1_000_000);
        string[2] memory names = ["Token", "SilentToken"];
        for (uint256 i; i < 2; ++i) {
            address token = _token(names[i]);
            vm.assertEq(_deposit(BOB, token, amount), amount);
            _assertBalance(BOB, token, amount, 0);
            vm.assertEq(coordinator.totalOf(token), amount);
            vm.prank(BOB);
            coordinator.withdraw(BOB, token, amount);
            vm.assertEq(IERC20(token).balanceOf(BOB), amount);
            vm.assertEq(coordinator.totalOf(token), 0);
        }
    }

    function test_ATaxedTokenIsCreditedByWhatArrived() public {
        address token = _token("TaxToken");
        vm.assertEq(_deposit(BOB, token, 1000), 990);
        _assertBalance(BOB, token, 990, 0);
        vm.assertEq(IERC20(token).balanceOf(address(coordinator)), 990);
        vm.prank(BOB);
        coordinator.withdraw(BOB, token, 990);
        vm.assertEq(coordinator.totalOf(token), 0);
        vm.assertEq(IERC20(token).balanceOf(BOB), 981);
    }

    function test_RevertWhen_TheTokenTakesTooMuch() public {
        address token = _token("GreedyToken");
        _deposit(BOB, token, 1000);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(ILedger.TookTooMuch.selector, token, 401, 400));
        coordinator.withdraw(BOB, token, 400);
        _assertBalance(BOB, token, 1000, 0);
    }

    function test_RevertWhen_TheTokenSaysNo() public {
        address token = _token("FalseToken");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        coordinator.deposit(ALICE, token, 1);
    }

    function testFuzz_RevertWhen_TheTokenHasNoCode(address token) public {
        vm.assume(token != address(0) && token.code.length == 0 && uint160(token) > 0xffff);
        vm.expectRevert(abi.encodeWithSelector(ILedger.TokenWithoutCode.selector, token));
        coordinator.deposit(ALICE, token, 1);
    }

    function test_EverythingIsLockedWhileATokenRuns() public {
        address token = _token("ReentrantToken");
        bytes[4] memory scripts = [
            abi.encodeCall(ILedger.deposit, (ALICE, token, 1)),
            abi.encodeCall(ILedger.withdraw, (ALICE, token, 1)),
            abi.encodeCall(ILedger.allow, (ALICE, token, 1)),
            abi.encodeWithSignature(
                "createSubscription(string,bytes,uint48,uint32,uint256,uint32,uint16)",
                CONTAINER,
                FEATURES,
                1,
                overhead,
                1,
                0,
                1
            )
        ];
        for (uint256 i; i < 4; ++i) {
            ReentrantToken(token).setScript(address(coordinator), scripts[i]);
            _deposit(ALICE, token, 10);
            vm.assertFalse(ReentrantToken(token).scriptOk());
            vm.assertEq(ReentrantToken(token).scriptResult(), abi.encodeWithSelector(ICoordinator.Reentered.selector));
            vm.prank(ALICE);
            coordinator.withdraw(ALICE, token, 10);
            vm.assertFalse(ReentrantToken(token).scriptOk());
        }
        vm.assertEq(coordinator.totalOf(token), 0);
    }

    function test_RevertWhen_MoreThanFits() public {
        address token = _token("Token");
        Token(token).mint(ALICE, type(uint128).max);
        _deposit(ALICE, token, type(uint128).max);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.TotalTooHigh.selector, token, uint256(type(uint128).max) + 1));
        coordinator.deposit(BOB, token, 1);
        vm.deal(ALICE, uint256(type(uint128).max) + 1);
        vm.prank(ALICE);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.TotalTooHigh.selector, address(0), uint256(type(uint128).max) + 1)
        );
        coordinator.deposit{value: uint256(type(uint128).max) + 1}(BOB, address(0), uint256(type(uint128).max) + 1);
    }

    // --- Allowances

    function testFuzz_Allows(address owner, address token, uint128 amount) public {
        vm.expectEmit(address(coordinator));
        emit ILedger.Allowed(ALICE, owner, token, amount);
        vm.prank(ALICE);
        coordinator.allow(owner, token, amount);
        vm.assertEq(coordinator.allowance(ALICE, owner, token), amount);
    }

    // --- Multicall

    function test_MulticallActsForTheCaller() public {
        address token = _token("Token");
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(ILedger.deposit, (ALICE, token, 100));
        calls[1] = abi.encodeCall(ILedger.allow, (BOB, token, 60));
        calls[2] = abi.encodeCall(ILedger.withdraw, (BOB, token, 40));
        vm.prank(ALICE);
        coordinator.multicall(calls);
        _assertBalance(ALICE, token, 60, 0);
        vm.assertEq(coordinator.allowance(ALICE, BOB, token), 60);
        vm.assertEq(IERC20(token).balanceOf(BOB), 40);
    }

    function test_RevertWhen_AMulticallIsNested() public {
        bytes[] memory inner = new bytes[](0);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ILedger.allow, (BOB, address(0), 1));
        calls[1] = abi.encodeCall(ICoordinator.multicall, (inner));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NestedMulticall.selector, 1));
        coordinator.multicall(calls);
    }

    function test_AMulticallSucceedsAsAWhole() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ILedger.allow, (BOB, address(0), 1));
        calls[1] = abi.encodeCall(ILedger.withdraw, (BOB, address(0), 1));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InsufficientBalance.selector, ALICE, address(0), uint128(0), 1));
        coordinator.multicall(calls);
        vm.assertEq(coordinator.allowance(ALICE, BOB, address(0)), 0);
    }

    /// @dev A thousand items that are all the same bytes of calldata.
    function test_RevertWhen_TheItemsOverlap() public {
        bytes memory item = abi.encodePacked(abi.encodeCall(ILedger.allow, (BOB, address(0), 1)), new bytes(10_000));
        uint256 count = 1000;
        bytes memory data = abi.encodePacked(ICoordinator.multicall.selector, uint256(32), count);
        bytes memory offsets = new bytes(32 * count);
        for (uint256 i; i < count; ++i) {
            assembly {
                mstore(add(add(offsets, 0x20), mul(i, 0x20)), mul(count, 0x20))
            }
        }
        data = abi.encodePacked(data, offsets, item.length, item, new bytes(28));
        (bool ok, bytes memory result) = address(coordinator).call(data);
        vm.assertFalse(ok);
        vm.assertEq(result, abi.encodeWithSelector(ICoordinator.Overlapping.selector, item.length * count, data.length));
    }
}
