// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuorumSignatureVerifier as IQuorum} from "../../src/interfaces/IQuorumSignatureVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Wallet} from "../Puppet.sol";
import {VerifierBase} from "./VerifierBase.sol";

/// @dev k signatures in one transaction.
contract QuorumSignatureVerifierTest is VerifierBase {
    bytes private constant OUTPUT = hex"2a";
    uint256 private constant K = 3;
    address private constant NODE_ = address(0xA11CE);

    IQuorum private verifier;
    uint256[] private keys;
    bytes private params;

    function setUp() public override {
        super.setUp();
        verifier = IQuorum(
            vm.deployCode("QuorumSignatureVerifier.sol:QuorumSignatureVerifier", abi.encode(address(registry)))
        );
        params = abi.encode(K);
        keys = [uint256(0xA1), 0xA2, 0xA3, 0xA4];
        for (uint256 i = 1; i < keys.length; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(keys[j]) < vm.addr(keys[j - 1]); --j) {
                (keys[j], keys[j - 1]) = (keys[j - 1], keys[j]);
            }
        }
        for (uint256 i; i < keys.length; ++i) {
            _bond(vm.addr(keys[i]), address(verifier), MIN_BOND);
        }
    }

    function _sign(uint256 key, Claim memory c) private view returns (IQuorum.NodeSignature memory) {
        return IQuorum.NodeSignature(vm.addr(key), _signDigest(key, _answerDigest(c)));
    }

    function _answerDigest(Claim memory c) private view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Answer(address coordinator,address owner,uint32 id,uint32 interval,bytes32 containerId,bytes32 featuresHash,bytes32 outputHash)"
        );
        bytes memory head = abi.encode(typeHash, address(this), c.owner, c.id, c.interval);
        bytes memory tail = abi.encode(c.containerId, c.featuresHash, c.outputHash);
        return _digest(address(verifier), block.chainid, keccak256(bytes.concat(head, tail)));
    }

    function _signatures(Claim memory c, uint256 count) private view returns (IQuorum.NodeSignature[] memory list) {
        list = new IQuorum.NodeSignature[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = _sign(keys[i], c);
        }
    }

    function _proof(Claim memory c) private view returns (bytes memory) {
        return abi.encode(bytes32(0), _signatures(c, K));
    }

    // --- Accepted

    function testFuzz_KSignaturesAreAnAnswer(bytes calldata output, address node) public {
        Claim memory c = _claim(output, params);
        c.node = node; // who delivers does not matter: the signers are paid
        bytes memory proof = _proof(c);
        _assertVerdict(verifier, c, output, proof, Verdict.Valid);
        address[] memory payees = verifier.payees(c, output, proof);
        vm.assertEq(payees.length, K);
        for (uint256 i; i < K; ++i) {
            vm.assertEq(payees[i], vm.addr(keys[i]));
        }
    }

    function test_AContractSignsByErc1271() public {
        Wallet wallet = new Wallet(Wallet.Character.Honest);
        _bond(address(wallet), address(verifier), MIN_BOND);
        Claim memory c = _claim(OUTPUT, abi.encode(1));
        IQuorum.NodeSignature[] memory list = new IQuorum.NodeSignature[](1);
        list[0] = IQuorum.NodeSignature(address(wallet), "");
        bytes memory proof = abi.encode(bytes32(0), list);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        wallet.approve(_answerDigest(c));
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
    }

    function test_InPullModeTheSignersCompareTheFeatures() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes32 read = c.featuresHash;
        IQuorum.NodeSignature[] memory list = _signatures(c, K);
        c.featuresHash = 0;
        vm.assertTrue(verifier.comparesFeatures());
        _assertVerdict(verifier, c, OUTPUT, abi.encode(read, list), Verdict.Valid);
        _assertVerdict(verifier, c, OUTPUT, abi.encode(keccak256("others"), list), Verdict.Invalid);

        // Two that read other features than the third agree by chance only: not on this.
        c.featuresHash = keccak256("others");
        list[2] = _sign(keys[2], c);
        c.featuresHash = 0;
        _assertVerdict(verifier, c, OUTPUT, abi.encode(read, list), Verdict.Invalid);
    }

    function test_TheDigestIsThatOfTheView() public view {
        Claim memory c = _claim(OUTPUT, params);
        vm.assertEq(verifier.digest(address(this), c), _answerDigest(c));
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.quorum.signatures"));
    }

    // --- Refused

    /// @dev A proof for another subscription, interval, container, input or output.
    function test_AProofFitsOneClaimOnly() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(c);
        uint8[6] memory bound = [0, 1, 2, 5, 6, 7];
        for (uint256 i; i < bound.length; ++i) {
            _assertRefused(verifier, _tampered(c, bound[i]), OUTPUT, proof);
        }
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
    }

    function test_ASignatureForAnotherChainCoordinatorOrVerifierIsRefused() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(c);
        vm.chainId(5);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        vm.chainId(31_337);
        vm.prank(address(0xC0));
        (Verdict verdict,) = verifier.verify(c, OUTPUT, proof);
        vm.assertEq(uint256(verdict), uint256(Verdict.Invalid));

        IQuorum other = IQuorum(
            vm.deployCode("QuorumSignatureVerifier.sol:QuorumSignatureVerifier", abi.encode(address(registry)))
        );
        for (uint256 i; i < keys.length; ++i) {
            _bond(vm.addr(keys[i]), address(other), MIN_BOND);
        }
        _assertVerdict(other, c, OUTPUT, proof, Verdict.Invalid);
    }

    function test_RevertWhen_ThereAreMoreOrFewerThanK() public {
        Claim memory c = _claim(OUTPUT, params);
        for (uint256 count; count <= keys.length; ++count) {
            bytes memory proof = abi.encode(bytes32(0), _signatures(c, count));
            if (count != K) {
                vm.expectRevert(abi.encodeWithSelector(IQuorum.QuorumMismatch.selector, count, c.verifierParams));
            }
            verifier.verify(c, OUTPUT, proof);
        }
    }

    function test_RevertWhen_OneNodeSignsTwice() public {
        Claim memory c = _claim(OUTPUT, params);
        IQuorum.NodeSignature[] memory list = _signatures(c, K);
        list[1] = list[0];
        vm.expectRevert(abi.encodeWithSelector(IQuorum.SignersNotAscending.selector, list[0].node, list[0].node));
        verifier.verify(c, OUTPUT, abi.encode(bytes32(0), list));
        list[0] = IQuorum.NodeSignature(address(0), "");
        vm.expectRevert(abi.encodeWithSelector(IQuorum.SignersNotAscending.selector, address(0), address(0)));
        verifier.verify(c, OUTPUT, abi.encode(bytes32(0), list));
    }

    /// @dev One operator's throw-away keys: without bonds they are nobody.
    function test_RevertWhen_ASignerHasNoBond() public {
        Claim memory c = _claim(OUTPUT, abi.encode(1));
        IQuorum.NodeSignature[] memory list = new IQuorum.NodeSignature[](1);
        list[0] = _sign(0xBAD, c);
        vm.expectRevert(abi.encodeWithSelector(IQuorum.SignerNotBonded.selector, vm.addr(0xBAD), 0, MIN_BOND));
        verifier.verify(c, OUTPUT, abi.encode(bytes32(0), list));

        // A bond that is on its way out does not count, and one towards another verifier neither.
        _bond(vm.addr(0xBAD), address(this), MIN_BOND);
        _bond(vm.addr(0xBAD), address(verifier), MIN_BOND);
        _assertVerdict(verifier, c, OUTPUT, abi.encode(bytes32(0), list), Verdict.Valid);
        vm.prank(vm.addr(0xBAD));
        registry.startUnbonding(address(verifier), 1);
        vm.expectRevert(
            abi.encodeWithSelector(IQuorum.SignerNotBonded.selector, vm.addr(0xBAD), MIN_BOND - 1, MIN_BOND)
        );
        verifier.verify(c, OUTPUT, abi.encode(bytes32(0), list));
    }

    /// @dev A thousand signatures that are all the same bytes are refused before they are unpacked.
    function test_AListThatRefersToOneSignatureManyTimesIsCheap() public {
        Claim memory c = _claim(OUTPUT, params);
        uint256[] memory offsets = new uint256[](1_000);
        for (uint256 i; i < 1_000; ++i) {
            offsets[i] = 32_000;
        }
        bytes memory proof = bytes.concat(
            abi.encode(0, 64, 1_000), abi.encodePacked(offsets), abi.encode(NODE_, 64, 10_000), new bytes(10_000)
        );
        bytes memory data = abi.encodeCall(verifier.verify, (c, OUTPUT, proof));
        uint256 before = gasleft();
        (bool ok, bytes memory reason) = address(verifier).call(data);
        vm.assertLt(before - gasleft(), 60_000);
        vm.assertFalse(ok);
        vm.assertEq(reason, abi.encodeWithSelector(IQuorum.QuorumMismatch.selector, 1_000, c.verifierParams));

        // A list beyond the proof's end is none.
        vm.expectRevert(abi.encodeWithSelector(IQuorum.QuorumMismatch.selector, 0, c.verifierParams));
        verifier.verify(c, OUTPUT, abi.encode(0, type(uint256).max));
    }

    function test_AMalleatedSignatureIsRefused() public {
        Claim memory c = _claim(OUTPUT, abi.encode(1));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], _answerDigest(c));
        bytes32 high = bytes32(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141 - uint256(s));
        IQuorum.NodeSignature[] memory list = new IQuorum.NodeSignature[](1);
        list[0] = IQuorum.NodeSignature(vm.addr(keys[0]), abi.encodePacked(r, high, v == 27 ? 28 : 27));
        _assertVerdict(verifier, c, OUTPUT, abi.encode(bytes32(0), list), Verdict.Invalid);
        list[0].signature = "";
        _assertVerdict(verifier, c, OUTPUT, abi.encode(bytes32(0), list), Verdict.Invalid);
    }

    function test_Erc1271SignersThatLieAreRefused() public {
        Claim memory c = _claim(OUTPUT, abi.encode(1));
        IQuorum.NodeSignature[] memory list = new IQuorum.NodeSignature[](1);
        for (uint256 i = uint256(Wallet.Character.AlwaysNo); i <= uint256(Wallet.Character.ReturnsNothing); ++i) {
            Wallet wallet = new Wallet(Wallet.Character(i));
            _bond(address(wallet), address(verifier), MIN_BOND);
            list[0] = IQuorum.NodeSignature(address(wallet), "");
            _assertVerdict(verifier, c, OUTPUT, abi.encode(bytes32(0), list), Verdict.Invalid);
        }
    }

    function testFuzz_GarbageIsRefused(bytes calldata proof) public {
        _assertRefused(verifier, _claim(OUTPUT, params), OUTPUT, proof);
    }

    function test_NothingIsEverPending() public {
        Claim memory c = _claim(OUTPUT, params);
        vm.assertEq(uint256(verifier.settle(c, OUTPUT, _proof(c))), uint256(Verdict.Invalid));
    }

    // --- Terms

    function test_TakesNoFee() public {
        _assertTakesNoFee(verifier, _terms(address(verifier), params), params);
    }

    function test_TermsMakeSense() public {
        Subscription memory s = _terms(address(verifier), params);
        verifier.checkTerms(s, params);
        vm.expectRevert(abi.encodeWithSelector(IQuorum.InvalidQuorum.selector, 0, 32));
        verifier.checkTerms(s, abi.encode(0));
        vm.expectRevert(abi.encodeWithSelector(IQuorum.InvalidQuorum.selector, 33, 32));
        verifier.checkTerms(s, abi.encode(33));
        vm.expectRevert(abi.encodeWithSelector(IQuorum.InvalidParams.selector, hex"01"));
        verifier.checkTerms(s, hex"01");
        s.redundancy = 2;
        vm.expectRevert(abi.encodeWithSelector(IQuorum.RedundancyNotOne.selector, 2));
        verifier.checkTerms(s, params);
        (s.redundancy, s.minBond) = (1, 0);
        vm.expectRevert(IQuorum.ZeroMinBond.selector);
        verifier.checkTerms(s, params);
    }

    function test_GasOfThreeSignatures() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(c);
        vm.cool(address(verifier));
        vm.cool(address(registry));
        verifier.verify(c, OUTPUT, proof);
        vm.snapshotGasLastCall("verify, 3 signatures");
    }
}
