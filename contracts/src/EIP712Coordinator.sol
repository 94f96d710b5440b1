// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Coordinator} from "./Coordinator.sol";
import {IDelegator} from "./interfaces/IDelegator.sol";
import {IEIP712Coordinator} from "./interfaces/IEIP712Coordinator.sol";
import {StaticRead} from "./StaticRead.sol";
import {DelegateRequest, Subscription, SubscriptionLib} from "./Subscription.sol";

/// @title EIP712Coordinator
/// @notice The Coordinator with subscriptions that are signed off chain. This is the contract to deploy.
contract EIP712Coordinator is Coordinator, IEIP712Coordinator {
    using SubscriptionLib for Subscription;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @dev One permanent bit per nonce.
    mapping(address owner => mapping(uint256 index => uint256)) private _usedNonces;

    /// @param modelRegistry Where the terms of published models stand.
    /// @param nodeRegistry Where the bonds of nodes stand.
    /// @param protocolShareBps The protocol's part of each fee, in 1/10,000: at most 500.
    /// @param protocolTo Who is credited with it; zero where there is none.
    constructor(address modelRegistry, address nodeRegistry, uint16 protocolShareBps, address protocolTo)
        Coordinator(modelRegistry, nodeRegistry, protocolShareBps, protocolTo)
    {}

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
        (Subscription memory terms, bytes32 structHash) = s.load();
        if (_isCreated(id, terms, structHash)) return id;

        // Check and effect
        bytes32 flags = _open(terms, id, container, features, msg.data[:0]);
        _useNonce(terms.owner, nonce);
        _records[terms.owner][id].word = SubscriptionLib.commitment(structHash) | flags;

        // Interaction: the signer may be a contract. Nothing above survives when it disagrees.
        _checkSignature(terms.owner, structHash, nonce, expiry, signature);
    }

    /// @inheritdoc IEIP712Coordinator
    function createSubscriptionDelegateVerified(DelegateRequest calldata r, bytes calldata verifierParams)
        external
        returns (uint32 id)
    {
        _checkFree();

        // Check
        id = _delegatedId(r.nonce);
        (Subscription memory terms, bytes32 structHash) = r.subscription.load();
        if (_isCreated(id, terms, structHash)) return id;

        // Check, effect, interaction: as above.
        _createSigned(id, terms, structHash, r, verifierParams, true);
    }

    /// @inheritdoc IEIP712Coordinator
    function deliverModelOutputDelegate(
        DelegateRequest calldata r,
        uint32 interval,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _checkFree();

        // Check, effect, interaction: the same as creation, but what this delivery completes needs no word.
        uint32 id = _delegatedId(r.nonce);
        (Subscription memory terms, bytes32 structHash) = r.subscription.load();
        bool stored = _isCreated(id, terms, structHash);
        if (!stored) {
            stored = !_hasOneAnswer(terms);
            _createSigned(id, terms, structHash, r, msg.data[:0], stored);
        }

        _deliver(_records[terms.owner][id], _answer(id, interval), terms, output, proof, stored);
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

    /// @inheritdoc IEIP712Coordinator
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("InfernetCoordinator"), keccak256("1"), block.chainid, address(this))
        );
    }

    /// @dev Whether the subscription was created before. Reverts when its nonce is spent, or on other terms.
    function _isCreated(uint32 id, Subscription memory s, bytes32 structHash) private view returns (bool) {
        uint32 nonce = id & ~SubscriptionLib.DELEGATED;
        if (!isNonceUsed(s.owner, nonce)) return false;
        if (_records[s.owner][id].word == 0) revert NonceUsed(s.owner, nonce);
        _find(id, s, structHash);
        return true;
    }

    /// @dev Opens the subscription and uses its nonce.
    /// @param stored Whether it is to have a word.
    function _createSigned(
        uint32 id,
        Subscription memory s,
        bytes32 structHash,
        DelegateRequest calldata r,
        bytes calldata verifierParams,
        bool stored
    ) private {
        bytes32 flags = _open(s, id, r.container, r.features, verifierParams);
        _useNonce(s.owner, r.nonce);
        if (stored) _records[s.owner][id].word = SubscriptionLib.commitment(structHash) | flags;
        _checkSignature(s.owner, structHash, r.nonce, r.expiry, r.signature);
    }

    /// @dev Nothing can be entered while the signer is asked.
    function _checkSignature(address owner, bytes32 structHash, uint32 nonce, uint40 expiry, bytes calldata signature)
        private
    {
        if (block.timestamp > expiry) revert SignatureExpired(block.timestamp, expiry);
        bytes32 message = SubscriptionLib.hashDelegate(nonce, expiry, structHash);
        bytes32 digest = MessageHashUtils.toTypedDataHash(DOMAIN_SEPARATOR(), message);

        _lock = LOCKED;
        address signer = _signerOf(owner);
        if (signer == address(0) || !SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert InvalidSignature(owner, signer);
        }
        _lock = FREE;
    }

    /// @dev Zero where the owner has no answer.
    function _signerOf(address owner) private view returns (address) {
        (uint256 signer,) = StaticRead.word(owner, abi.encodeCall(IDelegator.signer, ()));
        return signer > type(uint160).max ? address(0) : address(uint160(signer));
    }

    function _useNonce(address owner, uint32 nonce) private {
        _usedNonces[owner][nonce >> 8] |= 1 << (nonce & 0xff);
    }

    function _delegatedId(uint32 nonce) private pure returns (uint32) {
        if (nonce >= SubscriptionLib.DELEGATED) revert NonceTooHigh(nonce);
        return SubscriptionLib.DELEGATED | nonce;
    }

    function _isDelivery(bytes4 selector) internal pure override returns (bool) {
        return selector == IEIP712Coordinator.deliverModelOutputDelegate.selector || super._isDelivery(selector);
    }
}
