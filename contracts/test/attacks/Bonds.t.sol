// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {IOptimisticVerifier as IOptimistic} from "../../src/interfaces/IOptimisticVerifier.sol";
import {Claim, IVerifier} from "../../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {AttackBase} from "./AttackBase.sol";
import {Intruder} from "./Intruder.sol";

/// @dev A node spends funds locked as its stake, or leaves before it is slashed; a consumer's own verifier slashes a
/// node; one bond stands for two claims or two verifiers; a node challenges or refutes itself; a consumer changes the
/// features under a claim; credits are taken twice by re-entering.
contract BondAttacks is AttackBase {
    uint96 private constant REWARD = 0.1 ether;
    bytes32 private constant RIGHT = keccak256("right");

    IOnchainVerifier private onchain;
    IOptimistic private verifier;
    bytes private params;
    address[] private arbiters = [address(0xE1), address(0xE2), address(0xE3)];

    function setUp() public override {
        super.setUp();
        onchain = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        verifier = _optimistic(address(coordinator));
        (judge, court) = (address(verifier), address(verifier));
        params = abi.encode(IOptimistic.Params(600, 120, 90, 0, arbiters, 2, REWARD));
        cast.push(address(verifier));
        for (uint256 i; i < 3; ++i) {
            cast.push(arbiters[i]);
        }
        _bond(NODE, address(verifier), BOND);
    }

    function _optimistic(address served) private returns (IOptimistic) {
        bytes memory arguments = abi.encode(served, address(nodes), address(onchain));
        return IOptimistic(vm.deployCode("OptimisticVerifier.sol:OptimisticVerifier", arguments));
    }

    function _bonded() private view returns (Subscription memory s) {
        s = _paid();
        (s.verifier, s.verifierParams, s.minBond) = (address(verifier), keccak256(params), BOND);
    }

    function _proof(Subscription memory s, bytes memory own) private pure returns (bytes memory) {
        return abi.encode(s.featuresHash, own);
    }

    /// @dev NODE claims OUTPUT against its bond.
    function _claimed(Subscription memory s) private returns (uint32 id) {
        id = _createWith(s, FEATURES, params);
        _claimBy(NODE, id, s);
    }

    function _claimBy(address node, uint32 id, Subscription memory s) private {
        vm.prank(node);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, _proof(s, params));
    }

    function _answered(uint32 id, Subscription memory s) private view returns (Answer memory) {
        return Answer(id, 1, 1, NODE, uint40(block.timestamp + 810), s.featuresHash);
    }

    /// @dev What NODE claims.
    function _claimHash(Subscription memory s) private pure returns (bytes32) {
        return keccak256(abi.encode(NODE, s.containerId, s.featuresHash, keccak256(OUTPUT)));
    }

    function _challenge(address who, uint32 id, Subscription memory s) private {
        vm.deal(who, BOND);
        vm.prank(who);
        verifier.challenge{value: BOND}(s.owner, id, 1, _claimHash(s), params);
    }

    /// @dev Two of the three arbiters find `outputHash`, and all windows pass.
    function _decide(uint32 id, Subscription memory s, bytes32 outputHash) private {
        uint256 from = block.timestamp;
        for (uint256 i; i < 2; ++i) {
            bytes32 vote = verifier.hashVote(s.owner, id, 1, arbiters[i], outputHash, bytes32(i));
            vm.prank(arbiters[i]);
            verifier.commitVote(s.owner, id, 1, _claimHash(s), params, vote);
        }
        vm.warp(from + 120);
        for (uint256 i; i < 2; ++i) {
            vm.prank(arbiters[i]);
            verifier.revealVote(s.owner, id, 1, outputHash, bytes32(i));
        }
        vm.warp(from + 210);
    }

    /// @dev Expects that the node's bond was shared: the arbiters' rewards, then owner and challenger.
    function _expectSlashed(Books memory books, address challenger, address owner) private view {
        _of(books, NODE).staked -= BOND;
        _of(books, arbiters[0]).credit += REWARD;
        _of(books, arbiters[1]).credit += REWARD;
        _of(books, owner).credit += (BOND - 2 * REWARD) / 2;
        _of(books, challenger).credit += (BOND - 2 * REWARD) / 2;
    }

    // --- Stakes that are spent or leave

    function test_Attack_NodeSpendsFundsLockedAsItsStake() public {
        Subscription memory s = _bonded();
        uint32 other = _createWith(s, FEATURES, params);
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        Books memory books = _books();
        vm.assertEq(_of(books, NODE).staked, BOND);

        bytes4 none = INodeRegistry.InsufficientBond.selector;
        address registry = address(nodes);
        _refused(NODE, registry, abi.encodeCall(INodeRegistry.startUnbonding, (address(verifier), 1)), none);
        bytes memory withdraw = abi.encodeCall(INodeRegistry.withdrawBond, (address(verifier), NODE));
        _refused(NODE, registry, withdraw, INodeRegistry.ZeroAmount.selector);
        bytes memory second = abi.encodeCall(ICoordinator.deliverModelOutput, (other, 1, s, OUTPUT, _proof(s, params)));
        _refused(NODE, second, ICoordinator.BondTooLow.selector);
        // As a verifier of its own, towards which it has no bond.
        _refused(NODE, registry, abi.encodeCall(INodeRegistry.lockBond, (NODE, 1)), none);
        _refused(NODE, registry, abi.encodeCall(INodeRegistry.unlockBond, (NODE, 1)), none);
        _refused(NODE, registry, abi.encodeCall(INodeRegistry.slashBond, (NODE, 1, ACCOMPLICE)), none);
        _assertBooks(books);

        // All of it is there when it is slashed.
        _challenge(ATTACKER, id, s);
        books = _books();
        _decide(id, s, RIGHT);
        _refused(NODE, registry, withdraw, INodeRegistry.ZeroAmount.selector);
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _expectSlashed(books, ATTACKER, s.owner);
        _of(books, ATTACKER).credit += BOND; // its deposit
        _assertBooks(books);
    }

    /// @dev It has a second bond on its way out, ready before the claim is decided: that one leaves, the stake does not.
    function testFuzz_Attack_NodeUnbondsBeforeItIsSlashed(uint96 leaving) public {
        leaving = uint96(_bound(leaving, 1, BOND));
        _bond(NODE, address(verifier), leaving);
        vm.prank(NODE);
        nodes.startUnbonding(address(verifier), leaving);
        vm.warp(START + 7 days - 100);
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        Books memory books = _books();

        vm.warp(START + 7 days);
        vm.prank(NODE);
        nodes.withdrawBond(address(verifier), NODE);
        _of(books, NODE).unbonding -= leaving;
        _of(books, NODE).wallet += leaving;
        _assertBooks(books);

        _challenge(ATTACKER, id, s);
        _of(books, address(verifier)).wallet += BOND;
        _decide(id, s, RIGHT);
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _expectSlashed(books, ATTACKER, s.owner);
        _of(books, ATTACKER).credit += BOND;
        _assertBooks(books);
    }

    /// @dev What leaves can be locked until it has left: a claim reaches it though nothing is active any more.
    function test_Attack_NodeStakesWhatIsAlreadyLeaving() public {
        address own = address(this); // the honest verifier of this test
        judge = own;
        _bond(NODE, own, BOND);
        vm.prank(NODE);
        nodes.startUnbonding(own, BOND);
        vm.warp(START + 7 days); // it could go now
        Books memory books = _books();
        nodes.lockBond(NODE, BOND);
        bytes memory withdraw = abi.encodeCall(INodeRegistry.withdrawBond, (own, NODE));
        _refused(NODE, address(nodes), withdraw, INodeRegistry.ZeroAmount.selector);
        nodes.slashBond(NODE, BOND, PAYER);
        _of(books, NODE).unbonding -= BOND;
        _of(books, PAYER).credit += BOND;
        _assertBooks(books);
    }

    // --- Verifiers that nobody chose

    /// @dev The node is careless and answers under a verifier that it does not know. That one reaches for the node's
    /// bond towards another in every way it can, and has a court of its own with a Coordinator of its own.
    function test_Attack_AConsumersOwnVerifierSlashesANode() public {
        Intruder own = new Intruder();
        IOptimistic fake = _optimistic(address(own));
        cast.push(address(own));
        Claim memory c;
        (c.owner, c.id, c.interval, c.node, c.minBond) = (ATTACKER, 1, 1, NODE, BOND);
        (c.verifierParams, c.outputHash) = (keccak256(params), keccak256(OUTPUT));
        bytes memory claim = abi.encodeCall(IVerifier.verify, (c, OUTPUT, abi.encode(bytes32(0), params)));
        own.plan(address(nodes), abi.encodeCall(INodeRegistry.lockBond, (NODE, BOND)));
        own.plan(address(nodes), abi.encodeCall(INodeRegistry.slashBond, (NODE, BOND, ATTACKER)));
        own.plan(address(nodes), abi.encodeCall(INodeRegistry.unlockBond, (NODE, BOND)));
        own.plan(address(nodes), abi.encodeCall(INodeRegistry.withdrawBond, (address(verifier), ATTACKER)));
        own.plan(address(verifier), claim);
        own.plan(address(verifier), abi.encodeCall(IVerifier.settle, (c, OUTPUT, params)));
        own.plan(address(fake), claim);
        own.arm(true);

        Subscription memory s = _paid();
        s.verifier = address(own);
        uint32 id = _create(s);
        Books memory books = _books();
        _deliver(id, 1, s);
        vm.assertEq(own.strikes(), 2); // asked for its verdict and for the payees
        vm.assertEq(own.entered(), 0);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    /// @dev It posts the bond itself, so that there is something to slash: it gets its own money back.
    function test_Attack_AVerifierSlashesABondThatItPostedItself() public {
        Books memory books = _books();
        vm.deal(ATTACKER, BOND);
        vm.prank(ATTACKER);
        nodes.postBond{value: BOND}(NODE, ATTACKER);
        vm.prank(ATTACKER);
        nodes.lockBond(NODE, BOND);
        _refused(
            ATTACKER,
            address(nodes),
            abi.encodeCall(INodeRegistry.slashBond, (NODE, BOND + 1, ATTACKER)),
            INodeRegistry.InsufficientBond.selector
        );
        vm.prank(ATTACKER);
        nodes.slashBond(NODE, BOND, ATTACKER);
        _of(books, ATTACKER).credit += BOND;
        _assertBooks(books);
    }

    /// @dev Not defended: by delivering, a node agrees to arbiters and models that the terms name. The consumer's own
    /// friends may find what they like: serve only parameters that you know.
    function test_Documented_ArbitersOfTheConsumersChoiceSlashAnHonestNode() public {
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        _challenge(ATTACKER, id, s);
        Books memory books = _books();
        _decide(id, s, keccak256("whatever they like"));
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _expectSlashed(books, ATTACKER, s.owner);
        _of(books, ATTACKER).credit += BOND;
        _assertBooks(books);
    }

    // --- One bond for several

    function test_Attack_OneBondStandsForTwoClaimsOrTwoVerifiers() public {
        Subscription memory s = _bonded();
        uint32 id = _createWith(s, FEATURES, params);
        uint32 other = _createWith(s, FEATURES, params);
        Subscription memory elsewhere = _bonded();
        elsewhere.verifier = address(_optimistic(address(coordinator)));
        uint32 third = _createWith(elsewhere, FEATURES, params);
        Books memory books = _books();

        bytes[] memory deliveries = new bytes[](3);
        deliveries[0] =
            abi.encodeCall(ICoordinator.deliverModelOutput, (third, 1, elsewhere, OUTPUT, _proof(s, params)));
        deliveries[1] = abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, OUTPUT, _proof(s, params)));
        deliveries[2] = abi.encodeCall(ICoordinator.deliverModelOutput, (other, 1, s, OUTPUT, _proof(s, params)));
        vm.prank(NODE);
        coordinator.deliverModelOutputs(deliveries);
        _of(books, NODE).bond -= BOND;
        _of(books, NODE).staked += BOND;
        _assertBooks(books);
        vm.assertEq(uint256(verifier.getAssertion(s.owner, id, 1).status), uint256(IOptimistic.Status.Open));
        vm.assertEq(uint256(verifier.getAssertion(s.owner, other, 1).status), 0);
        vm.assertEq(_word(s.owner, other), _commitment(s) | bytes32(uint256(1)));
        vm.assertEq(_word(s.owner, third), _commitment(elsewhere) | bytes32(uint256(1)));
    }

    // --- Nodes against themselves

    /// @dev The node lies and has its accomplice challenge it, before anybody else can: the bond stays where it is until
    /// the end, and then half of it is the owner's.
    function test_Attack_ANodeChallengesItselfToFreeItsBond() public {
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        _challenge(ACCOMPLICE, id, s);
        Books memory books = _books();
        address registry = address(nodes);
        bytes memory unbond = abi.encodeCall(INodeRegistry.startUnbonding, (address(verifier), 1));
        _refused(NODE, registry, unbond, INodeRegistry.InsufficientBond.selector);
        bytes memory resolve = abi.encodeCall(IOptimistic.resolve, (s.owner, id, 1));
        _refused(NODE, address(verifier), resolve, IOptimistic.TooEarly.selector);
        _assertBooks(books);
        _decide(id, s, RIGHT);
        vm.prank(ACCOMPLICE);
        verifier.resolve(s.owner, id, 1);
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _expectSlashed(books, ACCOMPLICE, s.owner);
        _of(books, ACCOMPLICE).credit += BOND;
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
    }

    /// @dev Its own challenge, that no arbiter decides, keeps the others out. It is not paid, and nothing is delivered.
    function test_Attack_ANodeChallengesItselfAndNobodyVotes() public {
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        Books memory books = _books();
        _challenge(ACCOMPLICE, id, s);
        vm.warp(START + 210);
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _of(books, NODE).bond += BOND;
        _of(books, NODE).staked -= BOND;
        _of(books, ACCOMPLICE).credit += BOND; // what it brought
        _of(books, address(verifier)).wallet += BOND;
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
    }

    /// @dev On a subscription of its own the node loses to itself, owner and challenger in one. That frees the bond of
    /// this claim, without the delay, and not a wei of what another claim holds.
    function test_Attack_ANodeSlashesItselfToEscapeAnotherClaim() public {
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        _challenge(ATTACKER, id, s);
        _bond(NODE, address(verifier), BOND);
        Books memory books = _books();

        _loseToItself();
        _of(books, NODE).bond -= BOND;
        _of(books, ACCOMPLICE).credit += BOND;
        _assertBooks(books);

        _decide(id, s, RIGHT);
        coordinator.settle(a, s, OUTPUT, "");
        _expectReleased(books, PAYER, FEE);
        _expectSlashed(books, ATTACKER, s.owner);
        _of(books, ATTACKER).credit += BOND;
        _assertBooks(books);
    }

    /// @dev ACCOMPLICE asks for free, NODE answers wrongly, ACCOMPLICE refutes it.
    function _loseToItself() private {
        (bytes32 modelId, bytes memory features,) = _model();
        bytes memory own = abi.encode(IOptimistic.Params(600, 0, 0, modelId, new address[](0), 0, 0));
        Subscription memory s = _terms();
        (s.owner, s.featuresHash, s.mode) = (ACCOMPLICE, keccak256(features), ISOLATED);
        (s.verifier, s.verifierParams, s.minBond) = (address(verifier), keccak256(own), BOND);
        uint32 id = _createWith(s, features, own);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, _proof(s, own));
        vm.prank(ACCOMPLICE);
        verifier.refute(ACCOMPLICE, id, 1, s.containerId, own, features);
    }

    function _model() private returns (bytes32 modelId, bytes memory features, bytes memory right) {
        IOnchainVerifier.Model memory model;
        model.layers = new IOnchainVerifier.Layer[](1);
        model.layers[0] = IOnchainVerifier.Layer(2, 3, 0, hex"010203fffefd", new bytes(12));
        modelId = onchain.storeModel(model);
        features = _features(5);
        right = onchain.run(modelId, features);
    }

    function _features(uint8 pixel) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 2);
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, abi.encodePacked(pixel, uint8(1))));
    }

    // --- Features that change under a claim

    /// @dev Pull mode: the node has read the features that the consumer committed to, and its answer is right. Before
    /// the delivery is mined the consumer commits to others, for which it would be wrong, to refute it.
    function test_Attack_ConsumerChangesTheFeaturesUnderAClaim() public {
        (bytes32 modelId, bytes memory features, bytes memory right) = _model();
        bytes memory others = _features(0);
        params = abi.encode(IOptimistic.Params(600, 0, 0, modelId, new address[](0), 0, 0));
        Subscription memory s = _bonded();
        (s.mode, s.featuresHash) = (1, 0);
        puppet.commitFeatures(keccak256(features));
        uint32 id = _createWith(s, "", params);
        Books memory books = _books();

        bytes memory proof = abi.encode(keccak256(features), params);
        puppet.commitFeatures(keccak256(others));
        bytes memory delivery = abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, right, proof));
        _refused(NODE, delivery, ICoordinator.VerifierFailed.selector);
        bytes memory refute = abi.encodeCall(IOptimistic.refute, (s.owner, id, 1, s.containerId, params, others));
        _refused(ATTACKER, address(verifier), refute, IOptimistic.WrongStatus.selector);
        _assertBooks(books);

        // Once the claim stands the consumer may say what it likes.
        puppet.commitFeatures(keccak256(features));
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, right, proof);
        puppet.commitFeatures(keccak256(others));
        _refused(ATTACKER, address(verifier), refute, IOptimistic.OtherClaim.selector);
        vm.warp(START + 600);
        coordinator.settle(Answer(id, 1, 1, NODE, uint40(START + 600), keccak256(features)), s, right, "");
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    // --- Credits that are taken twice

    function test_Attack_CreditsAndBondsAreTakenTwiceByReentering() public {
        Intruder thief = new Intruder();
        address own = address(thief);
        cast.push(own);
        judge = own; // its own verifier
        _bond(own, own, 3 * BOND);
        thief.act(address(nodes), abi.encodeCall(INodeRegistry.lockBond, (own, BOND)));
        thief.act(address(nodes), abi.encodeCall(INodeRegistry.slashBond, (own, BOND, own)));
        thief.act(address(nodes), abi.encodeCall(INodeRegistry.startUnbonding, (own, BOND)));
        vm.warp(START + 7 days);
        thief.plan(address(nodes), abi.encodeCall(INodeRegistry.withdrawBond, (own, own)));
        thief.plan(address(nodes), abi.encodeCall(INodeRegistry.withdrawCredit, (own)));
        thief.plan(address(nodes), abi.encodeCall(INodeRegistry.slashBond, (own, 1, own)));
        thief.plan(address(nodes), abi.encodeCall(INodeRegistry.unlockBond, (own, 1)));
        thief.plan(address(nodes), abi.encodeCall(INodeRegistry.startUnbonding, (own, 2 * BOND)));
        thief.arm(true);
        Books memory books = _books();

        // Each is sent once, also where one is asked for while the other is sent.
        thief.act(address(nodes), abi.encodeCall(INodeRegistry.withdrawCredit, (own)));
        _of(books, own).credit -= BOND;
        _of(books, own).unbonding -= BOND;
        _of(books, own).wallet += 2 * BOND;
        _assertBooks(books);
        vm.assertEq(nodes.totalHeld(), 2 * BOND); // that of NODE, and one of the thief's
        vm.assertEq(address(nodes).balance, 2 * BOND);
    }

    /// @dev The same of the deposit of a challenge.
    function test_Attack_DepositsAreTakenTwiceByReentering() public {
        Intruder thief = new Intruder();
        address own = address(thief);
        cast.push(own);
        Subscription memory s = _bonded();
        uint32 id = _claimed(s);
        Answer memory a = _answered(id, s);
        bytes memory challenge = abi.encodeCall(IOptimistic.challenge, (s.owner, id, 1, _claimHash(s), params));
        vm.deal(address(this), BOND);
        thief.act{value: BOND}(address(verifier), challenge);
        vm.deal(address(verifier), address(verifier).balance + BOND); // something to steal
        vm.warp(START + 210);
        coordinator.settle(a, s, OUTPUT, ""); // nobody has voted
        thief.plan(address(verifier), abi.encodeCall(IOptimistic.withdrawCredit, (own)));
        thief.plan(address(verifier), abi.encodeCall(IOptimistic.resolve, (s.owner, id, 1)));
        thief.arm(true);
        Books memory books = _books();
        vm.assertEq(_of(books, own).credit, BOND);
        thief.act(address(verifier), abi.encodeCall(IOptimistic.withdrawCredit, (own)));
        vm.assertEq(thief.strikes(), 1);
        vm.assertEq(thief.entered(), 0);
        _of(books, own).credit -= BOND;
        _of(books, own).wallet += BOND;
        _of(books, address(verifier)).wallet -= BOND;
        _assertBooks(books);
        vm.assertEq(verifier.totalHeld(), 0);
    }

    receive() external payable {}
}
