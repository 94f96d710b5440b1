// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Token} from "../Mocks.sol";
import {AttackBase} from "./AttackBase.sol";
import {Intruder} from "./Intruder.sol";

/// @dev An honest token until it is told otherwise.
contract ShiftyToken is Token {
    enum Mood {
        Honest,
        /// Says no, and moves nothing.
        ReturnsFalse,
        /// Says yes, and moves nothing.
        PretendsToMove,
        /// Whoever asks has a thousand times as much.
        Exaggerates
    }

    Mood public mood;

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) * (mood == Mood.Exaggerates ? 1000 : 1);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        return mood == Mood.PretendsToMove || super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        return mood == Mood.PretendsToMove || super.transferFrom(from, to, amount);
    }
}

/// @dev A token without code, with a transfer fee, that returns false, lies or re-enters; deposits for somebody else;
/// the Coordinator and its neighbours passed off as tokens; another's approval.
contract TokenAttacks is AttackBase {
    /// @dev The payer has some of it in the ledger, from now on the books are kept in it.
    function _pays(address token) private {
        Token(token).mint(PAYER, 10 ether);
        vm.prank(PAYER);
        Token(token).approve(address(coordinator), FOREVER);
        vm.prank(PAYER);
        coordinator.deposit(PAYER, token, 4 ether);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), token, type(uint128).max);
        money = token;
    }

    function _paidIn(address token) private view returns (Subscription memory s) {
        s = _paid();
        s.token = token;
    }

    function _depositCall(address account, address token, uint256 amount) private pure returns (bytes memory) {
        return abi.encodeCall(ILedger.deposit, (account, token, amount));
    }

    function _withdrawCall(address token, uint256 amount) private pure returns (bytes memory) {
        return abi.encodeCall(ILedger.withdraw, (ATTACKER, token, amount));
    }

    /// @dev Nothing would move, and the call would not fail.
    function testFuzz_Attack_ATokenWithoutCode(address token) public {
        vm.assume(token != address(0) && token.code.length == 0);
        Books memory books = _books();
        _refused(ATTACKER, _depositCall(ATTACKER, token, 1 ether), ILedger.TokenWithoutCode.selector);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ILedger.TokenWithoutCode.selector, token));
        coordinator.createSubscription(_paidIn(token), CONTAINER, FEATURES);
        _assertBooks(books);
    }

    /// @dev Its code is gone after the deposit: nobody can take out what is not there, and shares are still counted.
    function test_Attack_ATokenThatLosesItsCode() public {
        address token = vm.deployCode("Mocks.sol:Token");
        _pays(token);
        Subscription memory s = _paidIn(token);
        uint32 id = _create(s);
        bytes memory code = token.code;
        Books memory books = _books();
        vm.etch(token, "");
        vm.prank(PAYER);
        (bool ok,) = address(coordinator).call(_withdrawCall(token, 1));
        vm.assertFalse(ok);
        _refused(ATTACKER, _depositCall(ATTACKER, token, 1), ILedger.TokenWithoutCode.selector);
        _deliver(id, 1, s);
        vm.etch(token, code);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    /// @dev Credited is what arrives, so that all of it can leave again, to the last one who earned some of it.
    function testFuzz_Attack_ATokenWithATransferFee(uint256 amount) public {
        amount = _bound(amount, 0, 6 ether);
        address token = vm.deployCode("Mocks.sol:TaxToken");
        _pays(token);
        Books memory books = _books();
        vm.assertEq(books.total, books.holdings);
        vm.prank(PAYER);
        uint256 credited = coordinator.deposit(ATTACKER, token, amount);
        vm.assertEq(credited, amount - amount / 100);
        books = _books();
        vm.assertEq(books.total, books.holdings);

        Subscription memory s = _paidIn(token);
        _deliver(_create(s), 1, s);
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        _refused(ATTACKER, _withdrawCall(token, credited + 1), ILedger.InsufficientBalance.selector);
        for (uint256 i; i < cast.length; ++i) {
            uint256 free = _books().entries[i].free;
            vm.prank(cast[i]);
            coordinator.withdraw(address(0x5AFE), token, free);
        }
        books = _books();
        vm.assertEq(books.total, 0);
        vm.assertEq(books.holdings, 0);
    }

    /// @dev It takes more from the Coordinator than was withdrawn: from those who have some of it too.
    function test_Attack_ATokenTakesMoreThanIsWithdrawn() public {
        address token = vm.deployCode("Mocks.sol:GreedyToken");
        _pays(token);
        vm.prank(PAYER);
        coordinator.deposit(ATTACKER, token, 1 ether);
        Books memory books = _books();
        _refused(ATTACKER, _withdrawCall(token, 0.5 ether), ILedger.TookTooMuch.selector);
        _assertBooks(books);
    }

    function test_Attack_ATokenThatReturnsFalse() public {
        ShiftyToken token = ShiftyToken(vm.deployCode("Tokens.t.sol:ShiftyToken"));
        _pays(address(token));
        Books memory books = _books();
        token.setMood(ShiftyToken.Mood.ReturnsFalse);
        bytes4 failed = SafeERC20.SafeERC20FailedOperation.selector;
        _refused(PAYER, _depositCall(PAYER, address(token), 1 ether), failed);
        _refused(PAYER, _withdrawCall(address(token), 1 ether), failed); // its balance is not lost
        _assertBooks(books);
    }

    /// @dev It says yes and moves nothing: nothing is credited.
    function test_Attack_ATokenThatPretendsToMove() public {
        ShiftyToken token = ShiftyToken(vm.deployCode("Tokens.t.sol:ShiftyToken"));
        _pays(address(token));
        Books memory books = _books();
        token.setMood(ShiftyToken.Mood.PretendsToMove);
        vm.prank(ATTACKER);
        vm.assertEq(coordinator.deposit(ATTACKER, address(token), 1 ether), 0);
        _assertBooks(books);
    }

    /// @dev A token that lies about balances harms those who hold it here, and nobody else: no ether, no other token.
    function test_Attack_ALyingTokenReachesOtherMoney() public {
        address honest = vm.deployCode("Mocks.sol:Token");
        _pays(honest);
        ShiftyToken token = ShiftyToken(vm.deployCode("Tokens.t.sol:ShiftyToken"));
        token.mint(ATTACKER, 1 ether);
        vm.prank(ATTACKER);
        token.approve(address(coordinator), FOREVER);
        money = honest;
        Books memory inHonest = _books();
        money = address(0);
        Books memory inEther = _books();

        token.setMood(ShiftyToken.Mood.Exaggerates);
        vm.prank(ATTACKER);
        vm.assertEq(coordinator.deposit(ATTACKER, address(token), 1 ether), 1000 ether);
        vm.prank(ATTACKER);
        coordinator.allow(address(puppet), address(token), type(uint128).max);
        _refused(ATTACKER, _withdrawCall(address(0), 1), ILedger.InsufficientBalance.selector);
        _refused(ATTACKER, _withdrawCall(honest, 1), ILedger.InsufficientBalance.selector);
        Subscription memory s = _paidIn(address(token));
        s.payer = ATTACKER;
        _deliver(_create(s), 1, s); // a node that takes it is paid in it

        _assertBooks(inEther);
        money = honest;
        _assertBooks(inHonest);
    }

    /// @dev While it moves it is deposited once more, and some of it is sent by hand: it counts once.
    function test_Attack_ATokenReentersToBeCountedTwice() public {
        Intruder token = new Intruder();
        cast.push(address(token));
        money = address(token);
        token.mint(ATTACKER, 10);
        token.mint(address(token), 10);
        token.plan(address(coordinator), _depositCall(ATTACKER, address(token), 3));
        token.plan(address(token), abi.encodeCall(Intruder.mint, (address(coordinator), 2)));
        token.arm(true);
        Books memory books = _books();
        vm.prank(ATTACKER);
        vm.assertEq(coordinator.deposit(ATTACKER, address(token), 5), 7);
        vm.assertEq(token.entered(), 2); // the plain transfer
        _of(books, ATTACKER).free += 7;
        _of(books, ATTACKER).wallet -= 5;
        (books.total, books.holdings) = (7, 7);
        _assertBooks(books);
    }

    /// @dev For an account that never asked for it: whatever that token does, and whatever the victim does with it, the
    /// victim's other money stays.
    function test_Attack_DepositForAnotherOfAHostileToken() public {
        Intruder token = new Intruder();
        cast.push(address(token));
        token.mint(ATTACKER, 10);
        Books memory books = _books();
        token.plan(address(coordinator), abi.encodeCall(ILedger.withdraw, (ATTACKER, address(0), 1 ether)));
        token.plan(address(coordinator), abi.encodeCall(ILedger.allow, (ATTACKER, address(0), 1 ether)));
        token.arm(true);
        vm.prank(ATTACKER);
        coordinator.deposit(PAYER, address(token), 10);
        vm.prank(PAYER);
        coordinator.withdraw(PAYER, address(token), 5);
        vm.assertEq(token.strikes(), 2);
        vm.assertEq(token.entered(), 0);
        _assertBooks(books);
        vm.assertEq(coordinator.allowance(PAYER, ATTACKER, address(0)), 0);
        Subscription memory s = _paid();
        _assertStillAnswered(books, _prepared(books, s), s);
    }

    function _prepared(Books memory books, Subscription memory s) private returns (uint32 id) {
        id = _create(s);
        _expectLocked(books, PAYER, FEE);
    }

    /// @dev What is not a token does not become one: the Coordinator, the registries, a verifier, a consumer.
    function test_Attack_TheCoordinatorIsPassedOffAsAToken() public {
        address[6] memory odd =
            [address(coordinator), address(nodes), address(models), address(oracle), address(puppet), address(vm)];
        Books memory books = _books();
        for (uint256 i; i < 6; ++i) {
            vm.prank(ATTACKER);
            (bool ok,) = address(coordinator).call(_depositCall(ATTACKER, odd[i], 1 ether));
            vm.assertFalse(ok);
            _refused(ATTACKER, _withdrawCall(odd[i], 1), ILedger.InsufficientBalance.selector);
        }
        _assertBooks(books);
    }

    /// @dev The payer has approved all it has: only its own calls move it.
    function test_Attack_AnothersApprovalIsSpent() public {
        address token = vm.deployCode("Mocks.sol:Token");
        _pays(token);
        Books memory books = _books();
        bytes memory deposit = _depositCall(ATTACKER, token, 1 ether);
        bytes[] memory calls = new bytes[](1);
        calls[0] = deposit;
        vm.prank(ATTACKER);
        (bool ok,) = address(coordinator).call(deposit);
        vm.assertFalse(ok);
        vm.prank(ATTACKER);
        (ok,) = address(coordinator).call(abi.encodeCall(ICoordinator.multicall, (calls)));
        vm.assertFalse(ok);
        _assertBooks(books);
    }
}
