// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {IFeaturesCommitter} from "./interfaces/IFeaturesCommitter.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IVerifier} from "./interfaces/IVerifier.sol";
import {SharesLib} from "./Shares.sol";
import {StaticRead} from "./StaticRead.sol";
import {Subscription, SubscriptionLib} from "./Subscription.sol";

/// @title Terms
/// @notice Says which terms a subscription may have. It keeps nothing: a Coordinator makes one for itself, because both
/// do not fit into one contract.
contract Terms {
    uint32 public immutable DELIVERY_OVERHEAD;
    uint40 public immutable MAX_LIFETIME;
    uint16 public immutable PROTOCOL_SHARE_BPS;
    IModelRegistry public immutable MODEL_REGISTRY;

    uint8 private constant ALL_MODES = 31;
    bytes32 private constant EMPTY = keccak256("");

    constructor(uint32 deliveryOverhead, uint40 maxLifetime, uint16 protocolShareBps, IModelRegistry modelRegistry) {
        (DELIVERY_OVERHEAD, MAX_LIFETIME) = (deliveryOverhead, maxLifetime);
        (PROTOCOL_SHARE_BPS, MODEL_REGISTRY) = (protocolShareBps, modelRegistry);
    }

    /// @notice Reverts unless a subscription may have these terms.
    /// @param s The terms.
    /// @param id The id that it is to have.
    /// @param containerId Hash of the container string that was given.
    /// @param featuresHash Hash of the features that were given.
    /// @param verifierParams The verifier's parameters.
    function check(
        Subscription calldata s,
        uint32 id,
        bytes32 containerId,
        bytes32 featuresHash,
        bytes calldata verifierParams
    ) external view {
        // Copied to memory, every field is known to be in its range.
        Subscription memory terms = s;
        _check(terms, id, containerId, featuresHash, verifierParams);
    }

    function _check(
        Subscription memory s,
        uint32 id,
        bytes32 containerId,
        bytes32 featuresHash,
        bytes calldata verifierParams
    ) private view {
        _checkHashes(s, containerId, featuresHash);
        _checkBasics(s);
        _checkDeadline(s);
        if (s.fee == 0) _checkUnpaid(s);
        else _checkPaid(s);
        bytes32 paramsHash = verifierParams.length == 0 ? bytes32(0) : keccak256(verifierParams);
        if (s.verifierParams != paramsHash) revert ICoordinator.VerifierParamsMismatch(s.verifierParams, paramsHash);
        if (s.verifier == address(0)) _checkUnverified(s);
        else _checkVerified(s, id, verifierParams);
    }

    /// @dev The hashes in the terms are those of the container and of the features.
    function _checkHashes(Subscription memory s, bytes32 containerId, bytes32 featuresHash) private pure {
        if (s.containerId != containerId) revert ICoordinator.ContainerMismatch(s.containerId, containerId);
        if (containerId == EMPTY) revert ICoordinator.EmptyContainer();
        bool pull = s.mode & SubscriptionLib.PULL != 0;
        bool pulled = pull && featuresHash == EMPTY;
        if (pulled) featuresHash = 0;
        if (s.featuresHash != featuresHash || pull != pulled) {
            revert ICoordinator.FeaturesMismatch(s.featuresHash, featuresHash);
        }
    }

    /// @dev What every subscription must have.
    function _checkBasics(Subscription memory s) private view {
        if (s.redundancy == 0) revert ICoordinator.ZeroRedundancy();
        if (s.frequency == 0) revert ICoordinator.ZeroFrequency();
        if (s.frequency > 1 && s.period == 0) revert ICoordinator.ZeroPeriod(s.frequency);
        if (s.maxGasPrice == 0) revert ICoordinator.ZeroMaxGasPrice();
        if (s.maxGasLimit < DELIVERY_OVERHEAD) revert ICoordinator.MaxGasLimitTooLow(s.maxGasLimit, DELIVERY_OVERHEAD);
        if (s.node != address(0) && s.redundancy > 1) {
            revert ICoordinator.NamedNodeWithRedundancy(s.node, s.redundancy);
        }
        if (s.mode > ALL_MODES) revert ICoordinator.UnknownMode(s.mode);
    }

    function _checkDeadline(Subscription memory s) private view {
        if (s.deadline == 0) return;
        if (s.frequency > 1) revert ICoordinator.DeadlineOnRecurring(s.deadline);
        if (s.deadline < block.timestamp) revert ICoordinator.DeadlinePassed(block.timestamp, s.deadline);
        if (s.deadline < s.activeAt) revert ICoordinator.DeadlineBeforeStart(s.deadline, s.activeAt);
    }

    function _checkUnpaid(Subscription memory s) private pure {
        if (s.payer != address(0)) revert ICoordinator.NeedsFee("payer", uint160(s.payer));
        if (s.token != address(0)) revert ICoordinator.NeedsFee("token", uint160(s.token));
        if (s.verifierFee != 0) revert ICoordinator.NeedsFee("verifierFee", s.verifierFee);
        if (s.royaltyTo != address(0)) revert ICoordinator.NeedsFee("royaltyTo", uint160(s.royaltyTo));
        if (s.royaltyBps != 0) revert ICoordinator.NeedsFee("royaltyBps", s.royaltyBps);
    }

    /// @dev The shares fit into the fee, the creator gets what it asks for, and no money is locked for ever.
    function _checkPaid(Subscription memory s) private view {
        if (s.token != address(0) && s.token.code.length == 0) revert ILedger.TokenWithoutCode(s.token);
        if (s.frequency == 1 && s.deadline == 0) revert ICoordinator.DeadlineMissing(s.fee);

        uint256 latest = block.timestamp + MAX_LIFETIME;
        if (s.deadline > latest) revert ICoordinator.TooFarAhead("deadline", s.deadline, latest);
        if (s.activeAt > latest) revert ICoordinator.TooFarAhead("activeAt", s.activeAt, latest);
        if (s.period > MAX_LIFETIME) revert ICoordinator.TooFarAhead("period", s.period, MAX_LIFETIME);

        (uint256 creator, uint256 verifier, uint256 protocol) =
            SharesLib.others(s.fee, s.royaltyBps, s.verifierFee, PROTOCOL_SHARE_BPS);
        uint256 others = creator + verifier + protocol;
        if (others > s.fee) revert ICoordinator.FeeTooLow(s.fee, others);

        (address to, uint16 bps) = MODEL_REGISTRY.terms(s.containerId);
        bool wrong = s.royaltyBps < bps || bps != 0 && s.royaltyTo != to;
        if (wrong || (s.royaltyBps == 0) != (s.royaltyTo == address(0))) {
            revert ICoordinator.RoyaltyMismatch(s.royaltyTo, s.royaltyBps, to, bps);
        }
    }

    function _checkUnverified(Subscription memory s) private pure {
        if (s.verifierParams != 0) revert ICoordinator.NeedsVerifier("verifierParams", uint256(s.verifierParams));
        if (s.minBond != 0) revert ICoordinator.NeedsVerifier("minBond", s.minBond);
        if (s.verifierFee != 0) revert ICoordinator.NeedsVerifier("verifierFee", s.verifierFee);
        if (s.mode & (SubscriptionLib.SEALED | SubscriptionLib.PROVISIONAL) != 0) {
            revert ICoordinator.NeedsVerifier("mode", s.mode);
        }
    }

    function _checkVerified(Subscription memory s, uint32 id, bytes calldata verifierParams) private view {
        IVerifier verifier = IVerifier(s.verifier);
        if (s.verifier.code.length == 0) revert ICoordinator.VerifierWithoutCode(s.verifier);
        if (s.mode & SubscriptionLib.PULL != 0 && !verifier.comparesFeatures()) {
            (, bool answers) = StaticRead.word(s.owner, abi.encodeCall(IFeaturesCommitter.featuresHashOf, (id, 1)));
            if (!answers) revert ICoordinator.PullNotVerifiable(s.verifier);
        }
        verifier.checkTerms(s, verifierParams);
    }
}
