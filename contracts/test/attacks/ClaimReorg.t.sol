// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOptimisticVerifier as IOptimistic} from "../../src/interfaces/IOptimisticVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev A challenge, or a vote, that meets another claim after a reorg. As in `Reorg.t.sol` each test lives through two
/// histories: what was sent against a claim of the first is mined in the second, where another stands in its place.
contract ClaimReorgAttacks is AttackBase {
    bytes private constant CLAIMED = hex"2b";
    bytes private constant OTHER_FEATURES = hex"0504030201";
    string private constant OTHER_CONTAINER = "letters";

    IOptimistic private verifier;
    address private arbiter;
    bytes private params;

    /// @dev Terms with one arbiter, and both nodes bonded.
    function _disputable() private returns (Subscription memory s) {
        bytes memory arguments = abi.encode(address(coordinator), address(nodes), address(0));
        verifier = IOptimistic(vm.deployCode("OptimisticVerifier.sol:OptimisticVerifier", arguments));
        (judge, court) = (address(verifier), address(verifier));
        cast.push(court);
        _bond(NODE, judge, BOND);
        _bond(OTHER_NODE, judge, BOND);
        address[] memory arbiters = new address[](1);
        arbiters[0] = arbiter = address(0xE1);
        params = abi.encode(IOptimistic.Params(600, 120, 90, 0, arbiters, 1, 0));
        s = _paid();
        (s.verifier, s.verifierParams, s.minBond) = (judge, keccak256(params), BOND);
        vm.deal(ACCOMPLICE, BOND);
    }

    function _claim(address node, uint32 id, Subscription memory s, bytes memory output) private returns (bytes32) {
        bytes memory proof = abi.encode(s.featuresHash, params);
        vm.prank(node);
        coordinator.deliverModelOutput(id, 1, s, output, proof);
        return keccak256(abi.encode(node, s.containerId, s.featuresHash, keccak256(output)));
    }

    /// @dev In the other history the claim in the same place is about other features or another container, for which
    /// the same output is right; or it is another node's; or of the right output.
    function _claimAnother(uint32 id, Subscription memory s, uint256 which)
        private
        returns (Subscription memory other, bytes memory output, Answer memory a, bytes32 claimHash)
    {
        other = abi.decode(abi.encode(s), (Subscription));
        (string memory container, bytes memory features) = (CONTAINER, FEATURES);
        if (which == 0) (other.featuresHash, features) = (keccak256(OTHER_FEATURES), OTHER_FEATURES);
        if (which == 1) (other.containerId, container) = (keccak256(bytes(OTHER_CONTAINER)), OTHER_CONTAINER);
        output = which == 3 ? OUTPUT : CLAIMED;
        vm.prank(s.owner);
        vm.assertEq(coordinator.createSubscription(other, container, features, params), id);
        a = Answer(id, 1, 1, which == 2 ? OTHER_NODE : NODE, uint40(START + 810), other.featuresHash);
        claimHash = _claim(a.node, id, other, output);
    }

    function _challenge(address owner, uint32 id, bytes32 claimHash) private returns (bool ok, bytes memory result) {
        bytes memory data = abi.encodeCall(IOptimistic.challenge, (owner, id, 1, claimHash, params));
        vm.prank(ACCOMPLICE);
        return court.call{value: BOND}(data);
    }

    function _vote(address owner, uint32 id, bytes32 claimHash, bytes32 found) private view returns (bytes memory) {
        bytes32 commitment = verifier.hashVote(owner, id, 1, arbiter, found, 0);
        return abi.encodeCall(IOptimistic.commitVote, (owner, id, 1, claimHash, params, commitment));
    }

    /// @dev The challenged claim was wrong. The one that stands there now is not, and would take the deposit.
    function testFuzz_Attack_AChallengeLandsOnAnotherClaimAfterAReorg(uint256 which) public {
        Subscription memory s = _disputable();
        uint256 fork = vm.snapshotState();
        uint32 id = _createWith(s, FEATURES, params);
        bytes32 wrong = _claim(NODE, id, s, CLAIMED);
        vm.assertTrue(vm.revertToState(fork));

        (Subscription memory other, bytes memory output, Answer memory a, bytes32 right) =
            _claimAnother(id, s, _bound(which, 0, 3));
        Books memory books = _books();
        (bool ok, bytes memory result) = _challenge(s.owner, id, wrong);
        vm.assertFalse(ok);
        vm.assertEq(result, abi.encodeWithSelector(IOptimistic.OtherClaim.selector, wrong, right));
        _assertBooks(books); // the deposit is its own
        vm.warp(START + 600);
        coordinator.settle(a, other, output, "");
        _expectPaid(books, other, a.node);
        _of(books, a.node).staked -= BOND;
        _of(books, a.node).bond += BOND;
        _assertBooks(books);
        vm.assertEq(puppet.last().output, output);
    }

    /// @dev The arbiter found that the first claim is wrong. That is no vote on the one that stands there now, on which
    /// it votes when it has seen it.
    function testFuzz_Attack_AVoteLandsOnAnotherClaimAfterAReorg(uint256 which) public {
        Subscription memory s = _disputable();
        uint256 fork = vm.snapshotState();
        uint32 id = _createWith(s, FEATURES, params);
        bytes32 wrong = _claim(NODE, id, s, CLAIMED);
        vm.assertTrue(vm.revertToState(fork));

        (Subscription memory other, bytes memory output, Answer memory a, bytes32 right) =
            _claimAnother(id, s, _bound(which, 0, 3));
        (bool ok,) = _challenge(s.owner, id, right);
        vm.assertTrue(ok);
        Books memory books = _books();
        bytes memory vote = _vote(s.owner, id, wrong, keccak256("right for the first"));
        _refused(arbiter, court, vote, IOptimistic.OtherClaim.selector);
        vote = _vote(s.owner, id, right, keccak256(output));
        vm.prank(arbiter);
        (ok,) = court.call(vote);
        vm.assertTrue(ok);
        vm.warp(START + 120);
        vm.prank(arbiter);
        verifier.revealVote(s.owner, id, 1, keccak256(output), 0);
        vm.warp(START + 210);
        coordinator.settle(a, other, output, "");
        _expectPaid(books, other, a.node);
        _of(books, a.node).staked -= BOND;
        _of(books, a.node).bond += BOND;
        _of(books, a.node).credit += BOND; // of a challenger that named this claim
        _assertBooks(books);
    }
}
