// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";

/// @title ModelRegistry
/// @notice Namespaces, versions, aliases, and what creators earn.
contract ModelRegistry is IModelRegistry {
    struct Namespace {
        address owner;
        address offeredTo;
    }

    /// @inheritdoc IModelRegistry
    uint16 public constant MAX_ROYALTY_BPS = 5_000;

    uint256 private constant MAX_LENGTH = 200;

    // Sets of ASCII characters, a bit for each.
    uint256 private constant DIGITS = 0x3ff << 48;
    uint256 private constant UPPER = 0x3ffffff << 65;
    uint256 private constant LOWER = 0x3ffffff << 97;
    uint256 private constant MARKS = 1 << 45 | 1 << 46 | 1 << 95; // - . _

    mapping(bytes32 namespaceId => Namespace) private _namespaces;
    mapping(bytes32 containerId => Version) private _versions;
    mapping(bytes32 aliasId => bytes32 containerId) private _aliases;
    mapping(bytes32 containerId => mapping(address token => uint128 fee)) private _prices;

    /// @inheritdoc IModelRegistry
    function claimNamespace(string calldata namespace) external {
        // Check
        _checkName(namespace, LOWER | DIGITS);
        bytes32 namespaceId = keccak256(bytes(namespace));
        Namespace storage entry = _namespaces[namespaceId];
        if (entry.owner != address(0)) revert NamespaceTaken(namespace, entry.owner);

        // Effect
        entry.owner = msg.sender;

        emit NamespaceOwned(namespaceId, address(0), msg.sender, namespace);
    }

    /// @inheritdoc IModelRegistry
    function offerNamespace(string calldata namespace, address to) external {
        // Check
        Namespace storage entry = _checkOwner(namespace);

        // Effect
        entry.offeredTo = to;

        emit NamespaceOffered(keccak256(bytes(namespace)), to);
    }

    /// @inheritdoc IModelRegistry
    function acceptNamespace(string calldata namespace) external {
        // Check
        bytes32 namespaceId = keccak256(bytes(namespace));
        Namespace storage entry = _namespaces[namespaceId];
        if (entry.offeredTo != msg.sender) revert NotOffered(msg.sender, entry.offeredTo);

        // Effect
        address previous = entry.owner;
        (entry.owner, entry.offeredTo) = (msg.sender, address(0));

        emit NamespaceOwned(namespaceId, previous, msg.sender, namespace);
    }

    /// @inheritdoc IModelRegistry
    function publish(
        string calldata namespace,
        string calldata name,
        string calldata version,
        Publication calldata publication
    ) external returns (bytes32 containerId) {
        // Check: the names and who may use them.
        _checkOwner(namespace);
        _checkName(name, LOWER | DIGITS);
        _checkName(version, LOWER | UPPER | DIGITS);
        string memory container = _join(namespace, name, ":", version);
        containerId = keccak256(bytes(container));

        // Check: the content.
        if (_versions[containerId].publishedAt != 0) revert AlreadyPublished(container);
        if (publication.manifestHash == 0) revert ZeroManifestHash();
        _checkRoyalty(publication.royaltyTo, publication.royaltyBps);

        // Effect
        _versions[containerId] =
            Version(publication.manifestHash, publication.royaltyTo, publication.royaltyBps, uint40(block.timestamp));

        _announce(containerId, container, publication);
    }

    /// @inheritdoc IModelRegistry
    function setAlias(
        string calldata namespace,
        string calldata name,
        string calldata aliasName,
        string calldata version
    ) external {
        // Check
        _checkOwner(namespace);
        _checkName(name, LOWER | DIGITS);
        _checkName(aliasName, LOWER | UPPER | DIGITS);
        string memory full = _join(namespace, name, "@", aliasName);
        bytes32 aliasId = keccak256(bytes(full));
        string memory container;
        bytes32 containerId;
        if (bytes(version).length != 0) (containerId, container) = _checkPublished(namespace, name, version);

        // Effect
        _aliases[aliasId] = containerId;

        emit AliasMoved(aliasId, containerId, full, container);
    }

    /// @inheritdoc IModelRegistry
    function setRoyaltyTo(string calldata namespace, string calldata name, string calldata version, address royaltyTo)
        external
    {
        // Check
        _checkOwner(namespace);
        (bytes32 containerId,) = _checkPublished(namespace, name, version);
        Version storage entry = _versions[containerId];
        _checkRoyalty(royaltyTo, entry.royaltyBps);

        // Effect
        entry.royaltyTo = royaltyTo;

        emit RoyaltyToChanged(containerId, royaltyTo);
    }

    /// @inheritdoc IModelRegistry
    function setPrice(
        string calldata namespace,
        string calldata name,
        string calldata version,
        address token,
        uint128 fee
    ) external {
        // Check
        _checkOwner(namespace);
        (bytes32 containerId,) = _checkPublished(namespace, name, version);

        // Effect
        _prices[containerId][token] = fee;

        emit PriceHinted(containerId, token, fee);
    }

    /// @inheritdoc IModelRegistry
    function terms(bytes32 containerId) external view returns (address royaltyTo, uint16 royaltyBps) {
        Version storage entry = _versions[containerId];
        if (entry.publishedAt == 0) entry = _versions[_aliases[containerId]];
        return (entry.royaltyTo, entry.royaltyBps);
    }

    /// @inheritdoc IModelRegistry
    function getVersion(bytes32 containerId) external view returns (Version memory) {
        return _versions[containerId];
    }

    /// @inheritdoc IModelRegistry
    function resolveAlias(bytes32 aliasId) external view returns (bytes32) {
        return _aliases[aliasId];
    }

    /// @inheritdoc IModelRegistry
    function getPrice(bytes32 containerId, address token) external view returns (uint128) {
        return _prices[containerId][token];
    }

    /// @inheritdoc IModelRegistry
    function getNamespace(string calldata namespace) external view returns (address owner, address offeredTo) {
        Namespace storage entry = _namespaces[keccak256(bytes(namespace))];
        return (entry.owner, entry.offeredTo);
    }

    /// @dev Apart from `publish` for the sake of the stack.
    function _announce(bytes32 containerId, string memory container, Publication calldata p) private {
        emit VersionPublished(containerId, msg.sender, container, p.manifestHash, p.uri, p.royaltyTo, p.royaltyBps);
    }

    function _checkOwner(string calldata namespace) private view returns (Namespace storage entry) {
        entry = _namespaces[keccak256(bytes(namespace))];
        if (entry.owner != msg.sender) revert NotNamespaceOwner(msg.sender, entry.owner);
    }

    function _checkPublished(string calldata namespace, string calldata name, string calldata version)
        private
        view
        returns (bytes32 containerId, string memory container)
    {
        container = _join(namespace, name, ":", version);
        containerId = keccak256(bytes(container));
        if (_versions[containerId].publishedAt == 0) revert NotPublished(container);
    }

    /// @dev A share needs a payee, and a payee a share, so that "lower terms" has one meaning.
    function _checkRoyalty(address royaltyTo, uint16 royaltyBps) private pure {
        if (royaltyBps > MAX_ROYALTY_BPS || (royaltyBps == 0) != (royaltyTo == address(0))) {
            revert InvalidRoyalty(royaltyTo, royaltyBps, MAX_ROYALTY_BPS);
        }
    }

    /// @param letters What it may begin with; further characters may be marks too.
    function _checkName(string calldata name, uint256 letters) private pure {
        bytes calldata characters = bytes(name);
        if (characters.length == 0 || characters.length > MAX_LENGTH) revert InvalidName(name);
        uint256 allowed = letters;
        for (uint256 i; i < characters.length; ++i) {
            if (allowed >> uint8(characters[i]) & 1 == 0) revert InvalidName(name);
            if (i == 0) allowed |= MARKS;
        }
    }

    /// @dev None of the parts can contain a separator, so a string has one reading.
    function _join(string calldata namespace, string calldata name, string memory separator, string calldata last)
        private
        pure
        returns (string memory joined)
    {
        joined = string.concat(namespace, "/", name, separator, last);
        if (bytes(joined).length > MAX_LENGTH) revert InvalidName(joined);
    }
}
