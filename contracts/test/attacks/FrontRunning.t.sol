// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "../../src/interfaces/IAttestationVerifier.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {IQuorumSignatureVerifier as IQuorum} from "../../src/interfaces/IQuorumSignatureVerifier.sol";
import {Claim} from "../../src/interfaces/IVerifier.sol";
import {DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev A delivery front-run by its own calldata: the attacker sees it waiting, sends the same bytes and is mined first.
/// Named nodes, sealed answers (Seal.t.sol) and signed ones defend; open answers do not, with a proof or without.
contract FrontRunningAttacks is AttackBase {
    uint256 private constant KEY = 0x7EE;

    function _claimOf(uint32 id, Subscription memory s) private pure returns (Claim memory c) {
        (c.owner, c.id, c.interval, c.redundancy, c.node) = (s.owner, id, 1, 1, NODE);
        (c.containerId, c.featuresHash, c.outputHash) = (s.containerId, s.featuresHash, keccak256(OUTPUT));
        (c.verifierParams, c.minBond) = (s.verifierParams, s.minBond);
    }

    function _send(address from, bytes memory data) private returns (bool ok) {
        vm.prank(from);
        (ok,) = address(coordinator).call(data);
    }

    /// @dev The same bytes in all the forms in which they can be sent.
    function _frontRun(bytes memory delivery, bytes4 reason) private {
        bytes[] memory items = new bytes[](1);
        items[0] = delivery;
        _refused(ATTACKER, delivery, reason);
        _refused(ATTACKER, abi.encodeCall(ICoordinator.multicall, (items)), reason);
        vm.prank(ATTACKER);
        coordinator.deliverModelOutputs(items); // reports the failure and goes on
    }

    // --- Defended

    function test_Attack_FrontRunByItsOwnCalldata_NamedNode() public {
        Subscription memory s = _paid();
        s.node = NODE;
        uint32 id = _create(s);
        Books memory books = _books();
        _frontRun(_delivery(id, s), ICoordinator.NotNamedNode.selector);
        _assertBooks(books);
        _assertStillAnswered(books, id, s);
    }

    /// @dev A signed request does not exist on chain yet: its nonce is not lost by the attempt.
    function test_Attack_FrontRunByItsOwnCalldata_NamedNodeOfASignedRequest() public {
        Subscription memory s = _paid();
        s.node = NODE;
        DelegateRequest memory r = _request(5, s);
        bytes memory delivery = abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
        Books memory books = _books();
        _frontRun(delivery, ICoordinator.NotNamedNode.selector);
        _assertBooks(books);
        vm.assertFalse(coordinator.isNonceUsed(s.owner, 5));
        vm.assertTrue(_send(NODE, delivery));
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    /// @dev What the key has signed names the node that may deliver it.
    function test_Attack_FrontRunByItsOwnCalldata_AttestedAnswer() public {
        IAttestationVerifier verifier =
            IAttestationVerifier(vm.deployCode("AttestationVerifier.sol:AttestationVerifier"));
        verifier.allowSigner(vm.addr(KEY), uint40(START), uint40(START + 1 days), "");
        bytes memory params = abi.encode(address(this));
        Subscription memory s = _paid();
        (s.verifier, s.verifierParams) = (address(verifier), keccak256(params));
        uint32 id = _createWith(s, FEATURES, params);
        bytes memory signature = _signDigest(KEY, verifier.digest(address(coordinator), _claimOf(id, s)));
        bytes memory proof = abi.encode(address(this), vm.addr(KEY), signature);
        bytes memory delivery = abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, OUTPUT, proof));
        Books memory books = _books();
        _frontRun(delivery, ICoordinator.InvalidAnswer.selector);
        _assertBooks(books);
        vm.assertTrue(_send(NODE, delivery));
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    /// @dev Whoever delivers, those who signed are paid: the attacker pays the gas of another's delivery.
    function test_Attack_FrontRunByItsOwnCalldata_SignedByAQuorum() public {
        IQuorum verifier =
            IQuorum(vm.deployCode("QuorumSignatureVerifier.sol:QuorumSignatureVerifier", abi.encode(address(nodes))));
        judge = address(verifier);
        bytes memory params = abi.encode(2);
        Subscription memory s = _paid();
        (s.verifier, s.verifierParams, s.minBond) = (judge, keccak256(params), BOND);
        uint32 id = _createWith(s, FEATURES, params);
        bytes32 digest = verifier.digest(address(coordinator), _claimOf(id, s));
        uint256[2] memory keys = [uint256(0xA1), 0xA2];
        if (vm.addr(keys[1]) < vm.addr(keys[0])) (keys[0], keys[1]) = (keys[1], keys[0]);
        IQuorum.NodeSignature[] memory list = new IQuorum.NodeSignature[](2);
        for (uint256 i; i < 2; ++i) {
            list[i] = IQuorum.NodeSignature(vm.addr(keys[i]), _signDigest(keys[i], digest));
            _bond(list[i].node, judge, BOND);
            cast.push(list[i].node);
        }
        bytes memory delivery =
            abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, OUTPUT, abi.encode(bytes32(0), list)));
        _bond(ATTACKER, judge, BOND);
        Books memory books = _books();
        vm.assertTrue(_send(ATTACKER, delivery));
        _expectPaid(books, s, list[0].node);
        (uint256 share,,,) = coordinator.quoteAnswer(s);
        _of(books, list[0].node).free -= share / 2;
        _of(books, list[1].node).free += share / 2;
        _assertBooks(books);

        // Its own signature does not replace one of theirs.
        vm.assertFalse(_send(NODE, delivery));
        _assertBooks(books);
    }

    /// @dev Creating what another is about to create and answer does not keep it from answering, nor does anybody's
    /// burning of a nonce of the same number.
    function test_Attack_FrontRunTheCreationOfASignedRequest() public {
        Subscription memory s = _paid();
        DelegateRequest memory r = _request(5, s);
        Books memory books = _books();
        vm.prank(ATTACKER);
        coordinator.burnNonce(5);
        vm.prank(ATTACKER);
        _createDelegate(r);
        _refused(
            ATTACKER,
            abi.encodeCall(ICoordinator.cancelSubscription, (2 ** 31 | 5)),
            ICoordinator.SubscriptionNotFound.selector
        );
        _deliverDelegate(r, 1);
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    // --- Not defended

    /// @dev Not defended: whoever is mined first is paid. Name a node, or ask for a seal or signatures.
    function test_Documented_AnOpenAnswerCanBeCopied() public {
        Subscription memory s = _paid();
        uint32 id = _create(s);
        Books memory books = _books();
        vm.assertTrue(_send(ATTACKER, _delivery(id, s)));
        vm.assertFalse(_send(NODE, _delivery(id, s)));
        _expectPaid(books, s, ATTACKER);
        _assertBooks(books);
    }

    /// @dev Not defended either: a proof says that the answer is right, not who found it.
    function test_Documented_AnOpenAnswerCanBeCopiedWithItsProof() public {
        IOnchainVerifier verifier = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        IOnchainVerifier.Model memory model;
        model.layers = new IOnchainVerifier.Layer[](1);
        model.layers[0] = IOnchainVerifier.Layer(2, 3, 0, hex"010203fffefd", new bytes(12));
        bytes32 modelId = verifier.storeModel(model);
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 2);
        bytes memory features = Tensors.encode(Tensor(Dtype.UINT8, 0, shape, hex"0501"));
        Subscription memory s = _paid();
        s.featuresHash = keccak256(features);
        (s.verifier, s.verifierParams) = (address(verifier), keccak256(abi.encode(modelId)));
        uint32 id = _createWith(s, features, abi.encode(modelId));
        bytes memory output = verifier.run(modelId, features);
        bytes memory delivery =
            abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, output, abi.encode(modelId, features)));
        Books memory books = _books();
        vm.assertTrue(_send(ATTACKER, delivery));
        vm.assertFalse(_send(NODE, delivery));
        _expectPaid(books, s, ATTACKER);
        _assertBooks(books);
    }
}
