// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier as IAttestation} from "../../src/interfaces/IAttestationVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Wallet} from "../Puppet.sol";
import {VerifierBase} from "./VerifierBase.sol";

/// @dev Answers signed by keys that an authority vouches for.
contract AttestationVerifierTest is VerifierBase {
    bytes private constant OUTPUT = hex"2a";
    uint256 private constant KEY = 0x7EE;
    address private constant AUTHORITY = address(0xA07);
    uint40 private constant FROM = uint40(START + 100);
    uint40 private constant UNTIL = uint40(START + 200);

    IAttestation private verifier;
    bytes private params;

    function setUp() public override {
        super.setUp();
        verifier = IAttestation(vm.deployCode("AttestationVerifier.sol:AttestationVerifier"));
        params = abi.encode(AUTHORITY);
        vm.prank(AUTHORITY);
        verifier.allowSigner(vm.addr(KEY), FROM, UNTIL, "quote");
        vm.warp(FROM);
    }

    function _answerDigest(Claim memory c) private view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "AttestedAnswer(address coordinator,address owner,uint32 id,uint32 interval,address node,bytes32 containerId,bytes32 featuresHash,bytes32 outputHash)"
        );
        bytes memory head = abi.encode(typeHash, address(this), c.owner, c.id, c.interval, c.node);
        bytes memory tail = abi.encode(c.containerId, c.featuresHash, c.outputHash);
        return _digest(address(verifier), block.chainid, keccak256(bytes.concat(head, tail)));
    }

    function _proof(uint256 key, Claim memory c) private view returns (bytes memory) {
        return abi.encode(AUTHORITY, vm.addr(key), _signDigest(key, _answerDigest(c)));
    }

    function _notValid(address authority, address signer) private view returns (bytes memory) {
        return abi.encodeWithSelector(IAttestation.SignerNotValid.selector, authority, signer, block.timestamp);
    }

    // --- Accepted

    function testFuzz_AnAllowedKeySigns(bytes calldata output, address node) public {
        Claim memory c = _claim(output, params);
        c.node = node;
        _assertVerdict(verifier, c, output, _proof(KEY, c), Verdict.Valid);
        vm.assertEq(verifier.payees(c, output, "").length, 0);
    }

    function test_AContractSignsByErc1271() public {
        Wallet wallet = new Wallet(Wallet.Character.Honest);
        vm.prank(AUTHORITY);
        verifier.allowSigner(address(wallet), FROM, UNTIL, "");
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = abi.encode(AUTHORITY, address(wallet), bytes(""));
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        wallet.approve(_answerDigest(c));
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
    }

    function test_TheDigestIsThatOfTheView() public view {
        Claim memory c = _claim(OUTPUT, params);
        vm.assertEq(verifier.digest(address(this), c), _answerDigest(c));
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.attested"));
        vm.assertFalse(verifier.comparesFeatures());
    }

    // --- Refused

    /// @dev A delivery that copies another node's proof names another node: it is worth nothing.
    function test_AProofFitsOneClaimAndOneNodeOnly() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(KEY, c);
        uint8[8] memory bound = [0, 1, 2, 4, 5, 6, 7, 8];
        for (uint256 i; i < bound.length; ++i) {
            _assertRefused(verifier, _tampered(c, bound[i]), OUTPUT, proof);
        }
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
    }

    function test_ASignatureForAnotherChainOrCoordinatorIsRefused() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(KEY, c);
        vm.chainId(5);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        vm.chainId(31_337);
        vm.prank(address(0xC0));
        (Verdict verdict,) = verifier.verify(c, OUTPUT, proof);
        vm.assertEq(uint256(verdict), uint256(Verdict.Invalid));
    }

    function test_RevertWhen_TheKeyIsNotValidNow() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(KEY, c);
        vm.warp(FROM - 1);
        vm.expectRevert(_notValid(AUTHORITY, vm.addr(KEY)));
        verifier.verify(c, OUTPUT, proof);
        vm.warp(UNTIL - 1);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
        vm.warp(UNTIL);
        vm.expectRevert(_notValid(AUTHORITY, vm.addr(KEY)));
        verifier.verify(c, OUTPUT, proof);
    }

    function test_RevertWhen_TheKeyIsUnknown() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(0xBAD, c);
        vm.expectRevert(_notValid(AUTHORITY, vm.addr(0xBAD)));
        verifier.verify(c, OUTPUT, proof);
    }

    function test_ARevokedKeyNeverComesBack() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(KEY, c);
        vm.expectEmit(address(verifier));
        emit IAttestation.SignerRevoked(AUTHORITY, vm.addr(KEY));
        vm.prank(AUTHORITY);
        verifier.revokeSigner(vm.addr(KEY));
        vm.assertFalse(verifier.isValidSigner(AUTHORITY, vm.addr(KEY)));
        vm.assertTrue(verifier.getSigner(AUTHORITY, vm.addr(KEY)).revoked);
        vm.expectRevert(_notValid(AUTHORITY, vm.addr(KEY)));
        verifier.verify(c, OUTPUT, proof);
        bytes memory revoked = abi.encodeWithSelector(IAttestation.AlreadyRevoked.selector, AUTHORITY, vm.addr(KEY));
        vm.expectRevert(revoked);
        vm.prank(AUTHORITY);
        verifier.allowSigner(vm.addr(KEY), FROM, UNTIL, "");
        vm.expectRevert(revoked);
        vm.prank(AUTHORITY);
        verifier.revokeSigner(vm.addr(KEY));
    }

    /// @dev The attacker vouches for a key of its own, and says so.
    function test_RevertWhen_TheAuthorityIsAnother() public {
        address mallory = address(0xBAD);
        vm.prank(mallory);
        verifier.allowSigner(vm.addr(0xE71), FROM, UNTIL, "");
        Claim memory c = _claim(OUTPUT, params);
        bytes memory signature = _signDigest(0xE71, _answerDigest(c));
        vm.expectRevert(abi.encodeWithSelector(IAttestation.AuthorityMismatch.selector, mallory, c.verifierParams));
        verifier.verify(c, OUTPUT, abi.encode(mallory, vm.addr(0xE71), signature));
        vm.expectRevert(_notValid(AUTHORITY, vm.addr(0xE71)));
        verifier.verify(c, OUTPUT, abi.encode(AUTHORITY, vm.addr(0xE71), signature));

        // It cannot revoke the authority's key either: its list is its own.
        vm.prank(mallory);
        verifier.revokeSigner(vm.addr(KEY));
        _assertVerdict(verifier, c, OUTPUT, _proof(KEY, c), Verdict.Valid);
    }

    function testFuzz_GarbageIsRefused(bytes calldata proof) public {
        _assertRefused(verifier, _claim(OUTPUT, params), OUTPUT, proof);
    }

    // --- Lists and terms

    function test_AllowingSaysSo() public {
        vm.expectEmit(address(verifier));
        emit IAttestation.SignerAllowed(address(this), address(1), 5, 6, "why");
        verifier.allowSigner(address(1), 5, 6, "why");
        vm.expectRevert(IAttestation.ZeroAddress.selector);
        verifier.allowSigner(address(0), 5, 6, "");
        vm.expectRevert(abi.encodeWithSelector(IAttestation.InvalidValidity.selector, 6, 6));
        verifier.allowSigner(address(1), 6, 6, "");
    }

    function test_TakesNoFee() public {
        _assertTakesNoFee(verifier, _terms(address(verifier), params), params);
    }

    function test_TermsMakeSense() public {
        Subscription memory s = _terms(address(verifier), params);
        verifier.checkTerms(s, params);
        vm.expectRevert(abi.encodeWithSelector(IAttestation.InvalidParams.selector, hex"01"));
        verifier.checkTerms(s, hex"01");
        bytes memory dirty = abi.encode(uint256(1) << 160 | 1);
        vm.expectRevert(abi.encodeWithSelector(IAttestation.InvalidParams.selector, dirty));
        verifier.checkTerms(s, dirty);
        vm.expectRevert(IAttestation.ZeroAddress.selector);
        verifier.checkTerms(s, abi.encode(0));
    }

    function test_Gas() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(KEY, c);
        vm.cool(address(verifier));
        verifier.verify(c, OUTPUT, proof);
        vm.snapshotGasLastCall("verify");
    }
}
