// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {Puppet} from "../Puppet.sol";
import {AttackBase} from "./AttackBase.sol";
import {Intruder} from "./Intruder.sol";

/// @dev A consumer that burns all gas, returns a megabyte, reverts, re-enters (Reentrancy.t.sol) or self-destructs, in
/// each mode; a node that starves a callback; a consumer whose own lock a node turns against it.
contract ConsumerAttacks is AttackBase {
    /// @dev By default a callback that fails refuses the answer: the node loses its gas and no more, nobody is paid.
    function testFuzz_Attack_AConsumerMisbehaves_Default(uint8 mood) public {
        mood = uint8(_bound(mood, 1, 4));
        Subscription memory s = _paid();
        s.maxGasLimit = overhead + 3_000_000;
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood(mood));
        Books memory books = _books();
        uint256 before = gasleft();
        vm.prank(NODE);
        (bool ok, bytes memory result) = address(coordinator).call(_delivery(id, s));
        vm.assertLt(before - gasleft(), 3_300_000);
        if (mood == uint8(Puppet.Mood.ReturnMegabyte)) {
            vm.assertTrue(ok); // what it returns is not looked at
            _expectPaid(books, s, NODE);
            return _assertBooks(books);
        }
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.CallbackFailed.selector));
        vm.assertLe(result.length, 4 + 4 * 32 + 256);
        _assertBooks(books);
        puppet.setMood(Puppet.Mood.Store);
        _assertStillAnswered(books, id, s);
    }

    /// @dev Isolated, or with a verifier that accepts the answer: whatever it does, the node is paid, at once or when
    /// the answer is settled, and the gas is bounded.
    function testFuzz_Attack_AConsumerMisbehaves_Isolated(uint8 mood, uint8 form) public {
        mood = uint8(_bound(mood, 1, 6));
        form = uint8(_bound(form, 0, 2));
        Subscription memory s = form == 0 ? _paid() : _judged();
        if (form == 0) s.mode = ISOLATED;
        s.maxGasLimit = overhead + 3_000_000;
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood(mood));
        if (mood == uint8(Puppet.Mood.CallCoordinator)) puppet.setScript(_delivery(id, s));
        if (form == 2) {
            oracle.set(Verdict.Pending, UNTIL);
            _deliver(id, 1, s);
            oracle.set(Verdict.Valid, 0);
        }
        Books memory books = _books();
        uint256 before = gasleft();
        if (form == 2) coordinator.settle(Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES)), s, OUTPUT, PROOF);
        else _deliver(id, 1, s);
        vm.assertLt(before - gasleft(), 3_500_000);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(_word(s.owner, id), 0);
        vm.assertFalse(puppet.scriptOk());
    }

    /// @dev Its code is gone when the answer comes: there is nobody to refuse it.
    function test_Attack_AConsumerDestroysItselfBeforeItsAnswer() public {
        Subscription memory s = _paid();
        uint32 id = _create(s);
        Books memory books = _books();
        vm.etch(address(puppet), "");
        _deliver(id, 1, s);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(_word(s.owner, id), 0);
    }

    /// @dev In a batch it costs the others nothing: not their answers, and gas only up to its own limit.
    function test_Attack_AConsumerSpoilsABatch() public {
        Puppet bad = _puppet();
        cast.push(address(bad));
        _fund(address(bad), 4 * FEE);
        Subscription memory good = _paid();
        Subscription memory spoiled = _paidTerms(FEE);
        spoiled.owner = address(bad);
        bytes[] memory items = new bytes[](6);
        uint32[2] memory ids;
        for (uint256 i; i < 6; ++i) {
            uint32 id = _create(i % 3 == 2 ? good : spoiled);
            items[i] = _delivery(id, i % 3 == 2 ? good : spoiled);
            if (i % 3 == 2) ids[i / 3] = id;
        }
        Books memory books = _books();
        bad.setMood(Puppet.Mood.BurnGas);
        vm.prank(NODE);
        (bool ok,) = address(coordinator).call{gas: 6 * (CALLBACK_GAS + 100_000)}(
            abi.encodeCall(ICoordinator.deliverModelOutputs, (items))
        );
        vm.assertTrue(ok);
        _expectPaid(books, good, NODE);
        _expectPaid(books, good, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.count(), 2);
        vm.assertEq(_word(address(puppet), ids[0]), 0);
        vm.assertEq(_word(address(puppet), ids[1]), 0);
    }

    /// @dev The node's side: it sends so little gas that the callback fails, and enough to be paid for it. The consumer
    /// needs most of what it was promised, to store an output of 4 KB.
    function testFuzz_Attack_ANodeStarvesTheCallback(uint256 given, bool verified) public {
        Subscription memory s = verified ? _judged() : _paid();
        if (!verified) s.mode = ISOLATED;
        s.maxGasLimit = overhead + 3_500_000;
        uint32 id = _create(s);
        bytes memory output = new bytes(4_000);
        for (uint256 i; i < output.length; ++i) {
            output[i] = 0x2a;
        }
        Books memory books = _books();
        bytes memory delivery = abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, output, PROOF));
        vm.prank(NODE);
        (bool ok,) = address(coordinator).call{gas: _bound(given, 1_000_000, 4_500_000)}(delivery);
        if (ok) {
            _expectPaid(books, s, NODE);
            vm.assertEq(puppet.last().output, output);
        }
        _assertBooks(books);
    }

    /// @dev Not defended: in the default mode a consumer may refuse what it has read in the failed transaction, and have
    /// its money back after the deadline. Isolated mode, and any verifier, defend (see above): nodes see the mode.
    function test_Documented_AConsumerMayRefuseWhatItHasRead() public {
        Subscription memory s = _paid();
        Books memory books = _books();
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood.Revert);
        _refused(NODE, _delivery(id, s), ICoordinator.CallbackFailed.selector);
        vm.warp(uint256(s.deadline) + 1);
        coordinator.expire(id, s);
        _assertBooks(books);
    }

    /// @dev Not defended: in isolated mode, or with a verifier, a consumer with a lock of its own must not be locked
    /// when an answer may come. A node that it calls while it is locked delivers there and then; the callback fails.
    function test_Documented_AConsumersOwnLockCanCostItTheAnswer() public {
        Guarded guarded = new Guarded();
        Intruder node = new Intruder();
        cast.push(address(guarded));
        cast.push(address(node));
        _fund(address(guarded), FEE);
        Subscription memory s = _paidTerms(FEE);
        (s.owner, s.mode) = (address(guarded), ISOLATED);
        uint32 id = _create(s);
        node.plan(address(coordinator), _delivery(id, s));
        node.arm(true);
        Books memory books = _books();
        guarded.refund(payable(address(node)));
        vm.assertEq(node.entered(), 1);
        _expectPaid(books, s, address(node));
        _assertBooks(books);
        vm.assertEq(guarded.answers(), 0);
    }
}

/// @dev Takes no answer while it sends ether.
contract Guarded {
    bool private _busy;
    uint256 public answers;

    function refund(address payable to) external {
        _busy = true;
        (bool ok,) = to.call("");
        require(ok);
        _busy = false;
    }

    function rawReceiveModelOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) external {
        require(!_busy, "busy");
        ++answers;
    }
}
