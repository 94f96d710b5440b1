// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ISealedQuorumVerifier as ISealed} from "../../src/interfaces/ISealedQuorumVerifier.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {Answer, DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {Puppet} from "../Puppet.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev An answer landing in another subscription after a reorg. Each test goes back to a state before the request and
/// lives through another history, in which the same id is another subscription's; then the transactions of the first
/// history are mined.
contract ReorgAttacks is AttackBase {
    bytes private constant OTHER_FEATURES = hex"0504030201";
    string private constant OTHER_CONTAINER = "letters";

    uint256 private fork;

    /// @dev From here on there are two histories.
    function _begin() private {
        fork = vm.snapshotState();
    }

    function _reorg() private {
        vm.assertTrue(vm.revertToState(fork));
    }

    /// @dev Terms that the other history has under the same id: one term differs.
    function _others(Subscription memory s, uint256 which)
        private
        pure
        returns (Subscription memory other, string memory container, bytes memory features)
    {
        other = abi.decode(abi.encode(s), (Subscription));
        (container, features) = (CONTAINER, FEATURES);
        if (which == 0) (other.featuresHash, features) = (keccak256(OTHER_FEATURES), OTHER_FEATURES);
        if (which == 1) (other.containerId, container) = (keccak256(bytes(OTHER_CONTAINER)), OTHER_CONTAINER);
        if (which == 2) other.fee = 1;
        if (which == 3) other.deadline += 1;
        if (which == 4) other.node = NODE;
        if (which == 5) other.mode = ISOLATED;
        if (which == 6) other.maxGasLimit += 1;
        if (which == 7) other.activeAt -= 1;
    }

    /// @dev The owner is the same, the question another; or only the price, the node, the time.
    function testFuzz_Attack_AnAnswerLandsInAnotherSubscriptionAfterAReorg(uint256 which, bool batched) public {
        Subscription memory s = _paid();
        _begin();
        uint32 id = _create(s);
        bytes memory delivery = _delivery(id, s);
        _reorg();

        (Subscription memory other, string memory container, bytes memory features) = _others(s, _bound(which, 0, 7));
        vm.prank(s.owner);
        vm.assertEq(coordinator.createSubscription(other, container, features), id);
        Books memory books = _books();
        if (batched) {
            bytes[] memory items = new bytes[](1);
            items[0] = delivery;
            vm.prank(NODE);
            coordinator.deliverModelOutputs(items);
        } else {
            _refused(NODE, delivery, ICoordinator.TermsMismatch.selector);
        }
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
        _assertStillAnswered(books, id, other);
    }

    /// @dev Somebody else was given the id; and the first request, mined later, has another one.
    function test_Attack_AnAnswerLandsInAnothersSubscriptionAfterAReorg() public {
        Subscription memory s = _paid();
        _begin();
        uint32 id = _create(s);
        bytes memory delivery = _delivery(id, s);
        _reorg();

        Puppet stranger = _puppet();
        cast.push(address(stranger));
        _fund(address(stranger), FEE);
        Subscription memory theirs = _paidTerms(FEE);
        theirs.owner = address(stranger);
        vm.assertEq(_create(theirs), id);
        vm.assertEq(_create(s), id + 1);
        Books memory books = _books();
        _refused(NODE, delivery, ICoordinator.SubscriptionNotFound.selector);
        _assertBooks(books);
        vm.assertEq(stranger.count(), 0);
        _deliver(id, 1, theirs);
        _expectPaid(books, theirs, NODE);
        _assertStillAnswered(books, id + 1, s);
    }

    /// @dev Where the same request is mined again, the answer that is waiting still fits.
    function test_AReorgThatBringsTheSameRequestBackIsAnswered() public {
        Subscription memory s = _paid();
        _begin();
        uint32 id = _create(s);
        _reorg();
        vm.assertEq(_create(s), id);
        _assertStillAnswered(_books(), id, s);
    }

    /// @dev A signed request has its nonce for an id: in the other history another was created under it.
    function testFuzz_Attack_ASignedAnswerLandsInAnotherRequestAfterAReorg(uint256 which, bool completed) public {
        Subscription memory s = _paid();
        DelegateRequest memory r = _request(5, s);
        bytes memory delivery = abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
        (Subscription memory other, string memory container, bytes memory features) = _others(s, _bound(which, 0, 7));
        DelegateRequest memory second =
            DelegateRequest(5, NO_EXPIRY, other, container, features, _sign(SIGNER_KEY, 5, NO_EXPIRY, other));
        _begin();
        _createDelegate(r);
        _reorg();

        _createDelegate(second);
        Books memory books = _books();
        if (completed) _assertStillAnswered(books, 2 ** 31 | 5, other);
        bytes4 mismatch = ICoordinator.TermsMismatch.selector;
        _refused(NODE, delivery, completed ? IEIP712Coordinator.NonceUsed.selector : mismatch);
        _assertBooks(books);
    }

    /// @dev A settlement: in the other history another answer is pending under the same id, interval and node.
    function test_Attack_ASettlementLandsOnAnotherAnswerAfterAReorg() public {
        Subscription memory s = _judged();
        oracle.set(Verdict.Pending, UNTIL);
        _begin();
        uint32 id = _create(s);
        _deliver(id, 1, s);
        Answer memory a = Answer(id, 1, 1, NODE, UNTIL, s.featuresHash);
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
        _reorg();

        _create(s);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, hex"2b", PROOF);
        oracle.set(Verdict.Valid, 0);
        Books memory books = _books();
        _refused(PAYER, settle, ICoordinator.NotPending.selector);
        _assertBooks(books);
        coordinator.settle(a, s, hex"2b", PROOF);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.last().output, hex"2b");
    }

    /// @dev A sealed commit: no stake is locked for a subscription that the node has not seen.
    function test_Attack_ACommitLandsInAnotherSubscriptionAfterAReorg() public {
        bytes memory arguments = abi.encode(address(coordinator), address(nodes));
        ISealed verifier = ISealed(vm.deployCode("SealedQuorumVerifier.sol:SealedQuorumVerifier", arguments));
        judge = address(verifier);
        _bond(NODE, judge, BOND);
        bytes memory params = abi.encode(ISealed.Params(ISealed.Rule.Equal, 2, 5, 60, 60, 0));
        Subscription memory s = _paid();
        (s.verifier, s.verifierParams, s.minBond, s.mode) = (judge, keccak256(params), BOND, 4);
        _begin();
        uint32 id = _createWith(s, FEATURES, params);
        bytes memory commit = abi.encodeCall(ISealed.commit, (id, s, params, keccak256("commitment")));
        _reorg();

        (Subscription memory other,, bytes memory features) = _others(s, 0);
        _createWith(other, features, params);
        Books memory books = _books();
        _refused(NODE, judge, commit, ISealed.TermsMismatch.selector);
        _assertBooks(books);
    }
}
