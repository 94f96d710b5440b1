// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IModelRegistry
/// @notice Where creators publish models and say what they earn from each use. Serving and asking need no entry here.
/// @dev Assumptions:
/// - A model is `namespace/name:version`, and its id is the hash of that string: the `containerId` of a subscription.
/// - An alias is written like a version, with an at sign in place of the colon, and has an id in the same way.
/// - Namespaces belong to whom claimed them first. What a version is (manifest, royalty) never changes; where an alias
///   points, whom a version pays and its price hints do.
/// - A subscription fixes payee and royalty when it is made: changes here touch later ones only.
/// - A chain "A,B,C" is a container of its own and has no terms here.
interface IModelRegistry {
    /// @notice What is published of a version.
    struct Publication {
        /// sha256 of the manifest file.
        bytes32 manifestHash;
        /// Where the manifest is found. Readers check it against the hash.
        string uri;
        /// Who is paid the royalty. Zero where the share is 0.
        address royaltyTo;
        /// The creator's share of each answer's fee, in 1/10,000.
        uint16 royaltyBps;
    }

    /// @notice A version as it is kept.
    struct Version {
        /// sha256 of the manifest file.
        bytes32 manifestHash;
        /// Who is paid the royalty by later subscriptions.
        address royaltyTo;
        /// The creator's share of each answer's fee, in 1/10,000.
        uint16 royaltyBps;
        /// In seconds since the epoch; 0: not published.
        uint40 publishedAt;
    }

    /// @notice The namespace belongs to `owner` from now on: `previous` is zero where it was free.
    event NamespaceOwned(
        bytes32 indexed namespaceId, address indexed previous, address indexed owner, string namespace
    );

    /// @notice `to` may take the namespace over; zero withdraws the offer.
    event NamespaceOffered(bytes32 indexed namespaceId, address indexed to);

    /// @notice A version exists from now on.
    event VersionPublished(
        bytes32 indexed containerId,
        address indexed publisher,
        string container,
        bytes32 manifestHash,
        string uri,
        address royaltyTo,
        uint16 royaltyBps
    );

    /// @notice The alias stands for another version now; zero: for none.
    event AliasMoved(bytes32 indexed aliasId, bytes32 indexed containerId, string aliasName, string container);

    /// @notice Later subscriptions pay the royalty to `royaltyTo`.
    event RoyaltyToChanged(bytes32 indexed containerId, address indexed royaltyTo);

    /// @notice What the creator thinks an answer should cost, in `token` (zero: ETH). A hint: nothing enforces it.
    event PriceHinted(bytes32 indexed containerId, address indexed token, uint128 fee);

    /// @notice Names are made of a-z, 0-9, '.', '_' and '-' (versions and aliases of A-Z as well), begin with a letter
    /// or digit, and are at most 200 characters long together.
    error InvalidName(string name);

    /// @notice The namespace has an owner.
    error NamespaceTaken(string namespace, address owner);

    /// @notice Only the owner may do so; zero: nobody owns it.
    error NotNamespaceOwner(address caller, address owner);

    /// @notice The namespace is not on offer to the caller.
    error NotOffered(address caller, address to);

    /// @notice Versions are immutable.
    error AlreadyPublished(string container);

    /// @notice There is no such version.
    error NotPublished(string container);

    /// @notice A version is what its manifest says: it needs the manifest's hash.
    error ZeroManifestHash();

    /// @notice The share is above `maximum`, or it has nobody to go to, or it goes to somebody and is 0.
    error InvalidRoyalty(address royaltyTo, uint16 royaltyBps, uint16 maximum);

    /// @notice The highest royalty, in 1/10,000: 5,000.
    function MAX_ROYALTY_BPS() external view returns (uint16);

    /// @notice Takes a free namespace.
    function claimNamespace(string calldata namespace) external;

    /// @notice Offers a namespace of the caller to `to`, who has to accept. Zero withdraws the offer.
    function offerNamespace(string calldata namespace, address to) external;

    /// @notice Takes over a namespace that is offered to the caller.
    function acceptNamespace(string calldata namespace) external;

    /// @notice Publishes `namespace/name:version`.
    /// @return containerId The hash of that string.
    function publish(
        string calldata namespace,
        string calldata name,
        string calldata version,
        Publication calldata publication
    ) external returns (bytes32 containerId);

    /// @notice Points an alias of a model to a published version of it; an empty version unsets the alias.
    function setAlias(
        string calldata namespace,
        string calldata name,
        string calldata aliasName,
        string calldata version
    ) external;

    /// @notice Changes whom later subscriptions to a version pay.
    function setRoyaltyTo(string calldata namespace, string calldata name, string calldata version, address royaltyTo)
        external;

    /// @notice Hints at the price of an answer; 0 takes the hint back.
    function setPrice(
        string calldata namespace,
        string calldata name,
        string calldata version,
        address token,
        uint128 fee
    ) external;

    /// @notice The least that a paid subscription to a container must promise its creator. Follows an alias.
    /// Zero where nothing is published under the id.
    function terms(bytes32 containerId) external view returns (address royaltyTo, uint16 royaltyBps);

    /// @notice A published version; `publishedAt` is 0 where there is none. Does not follow aliases.
    function getVersion(bytes32 containerId) external view returns (Version memory);

    /// @notice The version that an alias stands for; 0 = none.
    function resolveAlias(bytes32 aliasId) external view returns (bytes32 containerId);

    /// @notice The price hint of a version in a token; 0 = none.
    function getPrice(bytes32 containerId, address token) external view returns (uint128 fee);

    /// @notice The owner of a namespace and whom it is offered to; zero = nobody.
    function getNamespace(string calldata namespace) external view returns (address owner, address offeredTo);
}
