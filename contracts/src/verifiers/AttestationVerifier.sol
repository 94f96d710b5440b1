// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";
import {Verifier} from "./Verifier.sol";

/// @title AttestationVerifier
/// @notice Keys that authorities vouch for, and answers that they sign.
contract AttestationVerifier is EIP712, Verifier, IAttestationVerifier {
    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.attested");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = false;

    bytes32 private constant ANSWER_TYPEHASH = keccak256(
        "AttestedAnswer(address coordinator,address owner,uint32 id,uint32 interval,address node,"
        "bytes32 containerId,bytes32 featuresHash,bytes32 outputHash)"
    );

    mapping(address authority => mapping(address signer => Signer)) private _signers;

    constructor() EIP712("InfernetAnswer", "1") {}

    /// @inheritdoc IAttestationVerifier
    function allowSigner(address signer, uint40 validFrom, uint40 validUntil, bytes calldata evidence) external {
        // Check
        if (signer == address(0)) revert ZeroAddress();
        if (validFrom >= validUntil) revert InvalidValidity(validFrom, validUntil);
        Signer storage entry = _signers[msg.sender][signer];
        if (entry.revoked) revert AlreadyRevoked(msg.sender, signer);

        // Effect
        (entry.validFrom, entry.validUntil) = (validFrom, validUntil);

        emit SignerAllowed(msg.sender, signer, validFrom, validUntil, evidence);
    }

    /// @inheritdoc IAttestationVerifier
    function revokeSigner(address signer) external {
        // Check
        Signer storage entry = _signers[msg.sender][signer];
        if (entry.revoked) revert AlreadyRevoked(msg.sender, signer);

        // Effect
        entry.revoked = true;

        emit SignerRevoked(msg.sender, signer);
    }

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external pure {
        _checkNoFee(s);
        if (params.length != 32 || uint256(bytes32(params)) >> 160 != 0) revert InvalidParams(params);
        if (bytes32(params) == 0) revert ZeroAddress();
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata, bytes calldata proof)
        external
        view
        returns (Verdict verdict, uint40 pendingUntil)
    {
        (address authority, address signer, bytes memory signature) = abi.decode(proof, (address, address, bytes));

        // Check: whose key.
        if (keccak256(abi.encode(authority)) != claim.verifierParams) {
            revert AuthorityMismatch(authority, claim.verifierParams);
        }
        if (!isValidSigner(authority, signer)) revert SignerNotValid(authority, signer, block.timestamp);

        // Check: what it signed.
        bool ok = SignatureChecker.isValidSignatureNow(signer, digest(msg.sender, claim), signature);
        return (ok ? Verdict.Valid : Verdict.Invalid, 0);
    }

    /// @inheritdoc IAttestationVerifier
    function getSigner(address authority, address signer) external view returns (Signer memory) {
        return _signers[authority][signer];
    }

    /// @inheritdoc IAttestationVerifier
    function isValidSigner(address authority, address signer) public view returns (bool) {
        Signer storage entry = _signers[authority][signer];
        return !entry.revoked && block.timestamp >= entry.validFrom && block.timestamp < entry.validUntil;
    }

    /// @inheritdoc IAttestationVerifier
    function digest(address coordinator, Claim memory c) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                bytes.concat(
                    abi.encode(ANSWER_TYPEHASH, coordinator, c.owner, c.id, c.interval, c.node),
                    abi.encode(c.containerId, c.featuresHash, c.outputHash)
                )
            )
        );
    }
}
