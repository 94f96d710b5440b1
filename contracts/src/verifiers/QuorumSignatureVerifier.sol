// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IQuorumSignatureVerifier} from "../interfaces/IQuorumSignatureVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";
import {Verifier} from "./Verifier.sol";

/// @title QuorumSignatureVerifier
/// @notice k bonded nodes sign the same answer. Keeps nothing.
contract QuorumSignatureVerifier is EIP712, Verifier, IQuorumSignatureVerifier {
    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.quorum.signatures");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = true;

    /// @inheritdoc IQuorumSignatureVerifier
    uint256 public constant MAX_SIGNERS = 32;

    /// @notice Where the bonds of nodes stand.
    INodeRegistry public immutable NODE_REGISTRY;

    bytes32 private constant ANSWER_TYPEHASH = keccak256(
        "Answer(address coordinator,address owner,uint32 id,uint32 interval,"
        "bytes32 containerId,bytes32 featuresHash,bytes32 outputHash)"
    );

    constructor(address nodeRegistry) EIP712("InfernetAnswer", "1") {
        NODE_REGISTRY = INodeRegistry(nodeRegistry);
    }

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external pure {
        _checkNoFee(s);
        if (params.length != 32) revert InvalidParams(params);
        uint256 k = uint256(bytes32(params));
        if (k == 0 || k > MAX_SIGNERS) revert InvalidQuorum(k, MAX_SIGNERS);
        if (s.redundancy != 1) revert RedundancyNotOne(s.redundancy);
        if (s.minBond == 0) revert ZeroMinBond();
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata, bytes calldata proof)
        external
        view
        returns (Verdict verdict, uint40 pendingUntil)
    {
        // Check: as many as the terms ask for. Before decoding, where one signature could stand for thousands.
        _checkCount(proof, claim.verifierParams);
        (bytes32 featuresHash, NodeSignature[] memory signatures) = abi.decode(proof, (bytes32, NodeSignature[]));

        // Check: distinct, bonded, and all under the same answer.
        Claim memory signed = claim;
        if (claim.featuresHash == 0) signed.featuresHash = featuresHash;
        bytes32 hash = digest(msg.sender, signed);
        address previous;
        for (uint256 i; i < signatures.length; ++i) {
            address node = signatures[i].node;
            if (node <= previous) revert SignersNotAscending(previous, node);
            previous = node;
            _checkBond(node, claim.minBond);
            if (!SignatureChecker.isValidSignatureNow(node, hash, signatures[i].signature)) {
                return (Verdict.Invalid, 0);
            }
        }
        return (Verdict.Valid, 0);
    }

    /// @inheritdoc IVerifier
    function payees(Claim calldata, bytes calldata, bytes calldata proof)
        external
        pure
        override(IVerifier, Verifier)
        returns (address[] memory all)
    {
        (, NodeSignature[] memory signatures) = abi.decode(proof, (bytes32, NodeSignature[]));
        all = new address[](signatures.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = signatures[i].node;
        }
    }

    /// @inheritdoc IQuorumSignatureVerifier
    function digest(address coordinator, Claim memory c) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    ANSWER_TYPEHASH, coordinator, c.owner, c.id, c.interval, c.containerId, c.featuresHash, c.outputHash
                )
            )
        );
    }

    /// @dev The list's length is where the second word points.
    function _checkCount(bytes calldata proof, bytes32 params) private pure {
        uint256 offset = uint256(bytes32(proof[32:64]));
        uint256 count = offset < proof.length ? uint256(bytes32(proof[offset:offset + 32])) : 0;
        if (keccak256(abi.encode(count)) != params) revert QuorumMismatch(count, params);
    }

    function _checkBond(address node, uint96 minBond) private view {
        uint256 bond = NODE_REGISTRY.bondOf(node, address(this));
        if (bond < minBond) revert SignerNotBonded(node, bond, minBond);
    }
}
