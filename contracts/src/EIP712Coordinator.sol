// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Coordinator} from "./Coordinator.sol";
import {IBaseConsumer} from "./interfaces/IBaseConsumer.sol";
import {IDelegator} from "./interfaces/IDelegator.sol";
import {IEIP712Coordinator} from "./interfaces/IEIP712Coordinator.sol";
import {DelegateRequest, Subscription, SubscriptionLib} from "./Subscription.sol";

/// @title EIP712Coordinator
/// @notice The Coordinator with subscriptions that are signed off chain. This is the contract to deploy.
contract EIP712Coordinator is Coordinator, EIP712, IEIP712Coordinator {
    using SubscriptionLib for Subscription;

    /// @dev One permanent bit per nonce.
    mapping(address owner => mapping(uint256 index => uint256)) private _usedNonces;

    constructor() EIP712("InfernetCoordinator", "1") {}

    /// @inheritdoc IEIP712Coordinator
    function createSubscriptionDelegate(
        uint32 nonce,
        uint40 expiry,
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata signature
    ) external returns (uint32 id) {
        _checkFree();

        // Check
        id = _delegatedId(nonce);
        Record storage record = _records[s.owner][id];
        if (_isCreated(record, nonce, s)) return id;

        // Check and effect
        bytes32 structHash = _createSigned(nonce, s, container, features);
        record.word = SubscriptionLib.commitment(structHash);

        // Interaction: the signer may be a contract. Nothing above survives when it disagrees.
        _checkSignature(s.owner, nonce, expiry, structHash, signature);
    }

    /// @inheritdoc IEIP712Coordinator
    function deliverModelOutputDelegate(
        DelegateRequest calldata r,
        uint32 interval,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _checkFree();

        // Check
        uint32 id = _delegatedId(r.nonce);
        Record storage record = _records[r.subscription.owner][id];
        bool stored = _isCreated(record, r.nonce, r.subscription);

        // Check, effect, interaction: the same as creation, but what this delivery completes needs no word.
        if (!stored) stored = _createForDelivery(record, r);

        // Effect
        uint16 ordinal = _recordDelivery(record, id, interval, r.subscription, stored);

        // Interaction
        _callConsumer(
            r.subscription,
            id,
            abi.encodeCall(IBaseConsumer.rawReceiveModelOutput, (id, interval, ordinal, msg.sender, output, proof))
        );
    }

    /// @inheritdoc IEIP712Coordinator
    function burnNonce(uint32 nonce) external {
        _checkFree();

        // Check
        if (nonce >= SubscriptionLib.DELEGATED) revert NonceTooHigh(nonce);
        if (isNonceUsed(msg.sender, nonce)) revert NonceUsed(msg.sender, nonce);

        // Effect
        _useNonce(msg.sender, nonce);

        emit NonceBurned(msg.sender, nonce);
    }

    /// @inheritdoc IEIP712Coordinator
    function isNonceUsed(address owner, uint32 nonce) public view returns (bool) {
        return _usedNonces[owner][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @dev Whether the subscription was created before. Reverts when its nonce is spent, or on other terms.
    function _isCreated(Record storage record, uint32 nonce, Subscription calldata s) private view returns (bool) {
        if (!isNonceUsed(s.owner, nonce)) return false;
        if (record.word == 0) revert NonceUsed(s.owner, nonce);
        _checkCommitment(record, _delegatedId(nonce), s);
        return true;
    }

    /// @return stored Whether the subscription was given a word.
    function _createForDelivery(Record storage record, DelegateRequest calldata r) private returns (bool stored) {
        Subscription calldata s = r.subscription;
        bytes32 structHash = _createSigned(r.nonce, s, r.container, r.features);
        stored = !_hasOneAnswer(s);
        if (stored) record.word = SubscriptionLib.commitment(structHash);
        _checkSignature(s.owner, r.nonce, r.expiry, structHash, r.signature);
    }

    /// @dev Uses the nonce and announces the subscription.
    function _createSigned(uint32 nonce, Subscription calldata s, string calldata container, bytes calldata features)
        private
        returns (bytes32 structHash)
    {
        // Check: copied to memory, every field is known to be in its range.
        _checkHashes(s, container, features);
        Subscription memory terms = s;
        _checkTerms(terms, container);
        _checkUnsupportedTerms(terms);

        // Effect
        _useNonce(terms.owner, nonce);
        emit SubscriptionCreated(terms.owner, _delegatedId(nonce), terms.containerId, terms, container, features);
        return terms.hash();
    }

    /// @dev Nothing can be entered while the signer is asked.
    function _checkSignature(address owner, uint32 nonce, uint40 expiry, bytes32 structHash, bytes calldata signature)
        private
    {
        if (block.timestamp > expiry) revert SignatureExpired(block.timestamp, expiry);
        if (owner.code.length == 0) revert InvalidSignature(owner, address(0)); // nobody to ask for the signer
        bytes32 digest = _hashTypedDataV4(SubscriptionLib.hashDelegate(nonce, expiry, structHash));

        _lock = LOCKED;
        address signer = IDelegator(owner).signer();
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert InvalidSignature(owner, signer);
        }
        _lock = FREE;
    }

    function _useNonce(address owner, uint32 nonce) private {
        _usedNonces[owner][nonce >> 8] |= 1 << (nonce & 0xff);
    }

    function _delegatedId(uint32 nonce) private pure returns (uint32) {
        if (nonce >= SubscriptionLib.DELEGATED) revert NonceTooHigh(nonce);
        return SubscriptionLib.DELEGATED | nonce;
    }
}
