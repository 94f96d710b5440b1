// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "../../src/interfaces/IAttestationVerifier.sol";
import {IEzklVerifier} from "../../src/interfaces/IEzklVerifier.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {IOptimisticVerifier} from "../../src/interfaces/IOptimisticVerifier.sol";
import {IQuorumSignatureVerifier} from "../../src/interfaces/IQuorumSignatureVerifier.sol";
import {ISealedQuorumVerifier} from "../../src/interfaces/ISealedQuorumVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {VerifierBase} from "./VerifierBase.sol";
import {VmJson} from "./VmMore.sol";

/// @dev vectors/assurance.json, which the Python side reads too: the same bytes, made apart from these contracts.
contract AssuranceVectorsTest is VerifierBase {
    string private json;
    address private coordinator;
    Claim private c;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../vectors/assurance.json");
        coordinator = vm.parseJsonAddress(json, ".coordinator");
        c = abi.decode(_bytes(".claim"), (Claim));
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        vm.assertEq(c.featuresHash, keccak256(_bytes(".features")));
        vm.assertEq(c.outputHash, keccak256(_bytes(".output")));
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function _word(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    /// @dev At the address that the vectors chose. EIP-712 domains follow the address.
    function _deployThere(string memory artifact, bytes memory arguments) private returns (address there) {
        there = vm.parseJsonAddress(json, ".verifier");
        vm.etch(there, vm.deployCode(artifact, arguments).code);
    }

    function test_QuorumSignatures() public {
        IQuorumSignatureVerifier verifier = IQuorumSignatureVerifier(
            _deployThere("QuorumSignatureVerifier.sol:QuorumSignatureVerifier", abi.encode(address(registry)))
        );
        vm.assertEq(verifier.digest(coordinator, c), _word(".quorum.digest"));
        address[] memory signers = VmJson(address(vm)).parseJsonAddressArray(json, ".quorum.signers");
        for (uint256 i; i < signers.length; ++i) {
            _bond(signers[i], address(verifier), MIN_BOND);
        }
        c.verifierParams = keccak256(_bytes(".quorum.params"));
        verifier.checkTerms(_terms(address(verifier), _bytes(".quorum.params")), _bytes(".quorum.params"));
        vm.prank(coordinator);
        (Verdict verdict,) = verifier.verify(c, _bytes(".output"), _bytes(".quorum.proof"));
        vm.assertEq(uint256(verdict), uint256(Verdict.Valid));
    }

    function test_Attested() public {
        IAttestationVerifier verifier =
            IAttestationVerifier(_deployThere("AttestationVerifier.sol:AttestationVerifier", ""));
        vm.assertEq(verifier.digest(coordinator, c), _word(".attested.digest"));
        vm.prank(vm.parseJsonAddress(json, ".attested.authority"));
        verifier.allowSigner(vm.parseJsonAddress(json, ".attested.signer"), 0, type(uint40).max, "");
        c.verifierParams = keccak256(_bytes(".attested.params"));
        vm.prank(coordinator);
        (Verdict verdict,) = verifier.verify(c, _bytes(".output"), _bytes(".attested.proof"));
        vm.assertEq(uint256(verdict), uint256(Verdict.Valid));
    }

    function test_Sealed() public {
        ISealedQuorumVerifier verifier = ISealedQuorumVerifier(
            _deployThere("SealedQuorumVerifier.sol:SealedQuorumVerifier", abi.encode(coordinator, address(registry)))
        );
        bytes32 commitment = verifier.hashCommitment(
            c.owner, c.id, c.interval, c.node, c.featuresHash, c.outputHash, _word(".sealed.salt")
        );
        vm.assertEq(commitment, _word(".sealed.commitment"));
        bytes memory params =
            abi.encode(ISealedQuorumVerifier.Params(ISealedQuorumVerifier.Rule.Median, 3, 5, 60, 40, 7));
        vm.assertEq(params, _bytes(".sealed.params"));
        uint256[] memory order = new uint256[](3);
        (order[0], order[1]) = (2, 0);
        order[2] = 1;
        vm.assertEq(abi.encode(bytes32(0), order), _bytes(".sealed.proof"));
    }

    function test_Onchain() public {
        IOnchainVerifier verifier = IOnchainVerifier(_deployThere("OnchainVerifier.sol:OnchainVerifier", ""));
        IOnchainVerifier.Model memory model = abi.decode(_bytes(".onchain.model"), (IOnchainVerifier.Model));
        bytes32 modelId = verifier.storeModel(model);
        vm.assertEq(modelId, _word(".onchain.modelId"));
        vm.assertEq(abi.encode(modelId), _bytes(".onchain.params"));
        vm.assertEq(abi.encode(modelId, _bytes(".features")), _bytes(".onchain.proof"));
        vm.assertEq(model.layers[1].outputs, 1);
        vm.assertEq(model.layers[1].bias, hex"c0000000");
    }

    function test_Optimistic() public {
        IOptimisticVerifier verifier = IOptimisticVerifier(
            _deployThere(
                "OptimisticVerifier.sol:OptimisticVerifier", abi.encode(coordinator, address(registry), address(0))
            )
        );
        address[] memory arbiters = VmJson(address(vm)).parseJsonAddressArray(json, ".optimistic.arbiters");
        bytes32 vote =
            verifier.hashVote(c.owner, c.id, c.interval, arbiters[0], c.outputHash, _word(".optimistic.salt"));
        vm.assertEq(vote, _word(".optimistic.vote"));
        bytes32 claimHash = verifier.hashClaim(c.node, c.containerId, c.featuresHash, c.outputHash);
        vm.assertEq(claimHash, _word(".optimistic.claimHash"));
        bytes memory params = abi.encode(IOptimisticVerifier.Params(600, 120, 90, 0, arbiters, 2, 0.1 ether));
        vm.assertEq(params, _bytes(".optimistic.params"));
        vm.assertEq(abi.encode(c.featuresHash, params), _bytes(".optimistic.proof"));
        verifier.checkTerms(_terms(address(verifier), params), params);
        params = abi.encode(IOptimisticVerifier.Params(600, 0, 0, keccak256("model"), new address[](0), 0, 0));
        vm.assertEq(params, _bytes(".optimistic.paramsOfModel"));
    }

    function test_Ezkl() public view {
        IEzklVerifier.Circuit memory circuit = abi.decode(_bytes(".ezkl.params"), (IEzklVerifier.Circuit));
        vm.assertEq(abi.encode(circuit), _bytes(".ezkl.params"));
        vm.assertEq(circuit.codeHash, keccak256("code"));
        vm.assertEq(abi.encode(circuit, _bytes(".features"), bytes("proof")), _bytes(".ezkl.proof"));
    }
}
