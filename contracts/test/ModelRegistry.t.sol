// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Vm} from "./Vm.sol";

/// @dev Namespaces, versions, aliases, terms.
contract ModelRegistryTest {
    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address private constant CREATOR = address(0xC4EA);
    address private constant OTHER = address(0x07E4);
    address private constant PAYEE = address(0x9A1);
    bytes32 private constant MANIFEST = keccak256("manifest");
    string private constant URI = "ipfs://manifest";

    IModelRegistry private registry;

    function setUp() public {
        vm.warp(1_767_225_600);
        registry = IModelRegistry(vm.deployCode("ModelRegistry.sol:ModelRegistry"));
        vm.prank(CREATOR);
        registry.claimNamespace("demo");
    }

    function _publication() private pure returns (IModelRegistry.Publication memory) {
        return IModelRegistry.Publication(MANIFEST, URI, PAYEE, 250);
    }

    function _publish(string memory version) private returns (bytes32) {
        vm.prank(CREATOR);
        return registry.publish("demo", "digits", version, _publication());
    }

    // --- Namespaces

    function test_TheFirstToComeOwnsANamespace() public {
        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceOwned(keccak256("acme"), address(0), OTHER, "acme");
        vm.prank(OTHER);
        registry.claimNamespace("acme");
        (address owner, address offeredTo) = registry.getNamespace("acme");
        vm.assertEq(owner, OTHER);
        vm.assertEq(offeredTo, address(0));

        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NamespaceTaken.selector, "acme", OTHER));
        vm.prank(CREATOR);
        registry.claimNamespace("acme");
    }

    function test_ANamespaceChangesHandsInTwoSteps() public {
        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceOffered(keccak256("demo"), OTHER);
        vm.prank(CREATOR);
        registry.offerNamespace("demo", OTHER);
        (address owner,) = registry.getNamespace("demo");
        vm.assertEq(owner, CREATOR);

        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOffered.selector, address(this), OTHER));
        registry.acceptNamespace("demo");

        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceOwned(keccak256("demo"), CREATOR, OTHER, "demo");
        vm.prank(OTHER);
        registry.acceptNamespace("demo");
        address offeredTo;
        (owner, offeredTo) = registry.getNamespace("demo");
        vm.assertEq(owner, OTHER);
        vm.assertEq(offeredTo, address(0));

        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, CREATOR, OTHER));
        _publish("1");
    }

    function test_AnOfferCanBeWithdrawn() public {
        vm.prank(CREATOR);
        registry.offerNamespace("demo", OTHER);
        vm.prank(CREATOR);
        registry.offerNamespace("demo", address(0));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOffered.selector, OTHER, address(0)));
        vm.prank(OTHER);
        registry.acceptNamespace("demo");
    }

    function test_RevertWhen_SomebodyElseOffersTheNamespace() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, CREATOR));
        vm.prank(OTHER);
        registry.offerNamespace("demo", OTHER);
    }

    function test_RevertWhen_AFreeNamespaceIsAccepted() public {
        // Nothing is offered to anyone, so nobody's address compares equal but zero, who cannot call.
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotOffered.selector, OTHER, address(0)));
        vm.prank(OTHER);
        registry.acceptNamespace("free");
    }

    // --- Names

    function testFuzz_NamesHaveTheCharactersOfAManifest(bytes calldata name) public {
        bool good = name.length != 0 && name.length <= 200;
        for (uint256 i; i < name.length; ++i) {
            bytes1 c = name[i];
            bool letter = c >= "a" && c <= "z" || c >= "0" && c <= "9";
            if (!letter && (i == 0 || c != "." && c != "_" && c != "-")) good = false;
        }
        if (!good) vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidName.selector, string(name)));
        registry.claimNamespace(string(name));
    }

    /// @dev Each byte alone and after a letter: random names hardly ever get so far.
    function test_EachCharacterIsJudged() public {
        for (uint256 i; i < 256; ++i) {
            bytes1 c = bytes1(uint8(i));
            bool digit = c >= "0" && c <= "9";
            bool lower = c >= "a" && c <= "z";
            bool upper = c >= "A" && c <= "Z";
            bool mark = c == "." || c == "_" || c == "-";
            _expectNamespace(abi.encodePacked(c), digit || lower);
            _expectNamespace(abi.encodePacked("x", c), digit || lower || mark);
            _expectVersion(abi.encodePacked(c), digit || lower || upper);
            _expectVersion(abi.encodePacked("x", c), digit || lower || upper || mark);
        }
    }

    function _expectNamespace(bytes memory name, bool good) private {
        if (!good) vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidName.selector, string(name)));
        registry.claimNamespace(string(name));
    }

    function _expectVersion(bytes memory name, bool good) private {
        if (!good) vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidName.selector, string(name)));
        vm.prank(CREATOR);
        registry.publish("demo", "digits", string(name), _publication());
    }

    function test_RevertWhen_TheWholeIsTooLong() public {
        bytes memory version = new bytes(189); // with "demo/digits:" 201
        for (uint256 i; i < version.length; ++i) {
            version[i] = "1";
        }
        string memory whole = string.concat("demo/digits:", string(version));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidName.selector, whole));
        _publish(string(version));
        assembly {
            mstore(version, 188)
        }
        _publish(string(version));
    }

    // --- Versions

    function test_PublishesAVersion() public {
        bytes32 id = keccak256("demo/digits:1");
        vm.expectEmit(address(registry));
        emit IModelRegistry.VersionPublished(id, CREATOR, "demo/digits:1", MANIFEST, URI, PAYEE, 250);
        vm.assertEq(_publish("1"), id);

        IModelRegistry.Version memory version = registry.getVersion(id);
        vm.assertEq(version.manifestHash, MANIFEST);
        vm.assertEq(version.royaltyTo, PAYEE);
        vm.assertEq(version.royaltyBps, 250);
        vm.assertEq(version.publishedAt, block.timestamp);
        _assertTerms(id, PAYEE, 250);
    }

    function test_RevertWhen_AVersionIsPublishedTwice() public {
        _publish("1");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyPublished.selector, "demo/digits:1"));
        _publish("1");
    }

    function test_RevertWhen_TheNamespaceIsAnothers() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, CREATOR));
        vm.prank(OTHER);
        registry.publish("demo", "digits", "1", _publication());
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, address(0)));
        vm.prank(OTHER);
        registry.publish("free", "digits", "1", _publication());
    }

    function test_RevertWhen_ThereIsNoManifest() public {
        IModelRegistry.Publication memory p = _publication();
        p.manifestHash = 0;
        vm.expectRevert(IModelRegistry.ZeroManifestHash.selector);
        vm.prank(CREATOR);
        registry.publish("demo", "digits", "1", p);
    }

    function testFuzz_ARoyaltyHasAPayeeAndALimit(address to, uint16 bps) public {
        IModelRegistry.Publication memory p = _publication();
        (p.royaltyTo, p.royaltyBps) = (to, bps);
        if (bps > 5_000 || (bps == 0) != (to == address(0))) {
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidRoyalty.selector, to, bps, 5_000));
        }
        vm.prank(CREATOR);
        registry.publish("demo", "digits", "1", p);
    }

    // --- Payee and price

    function test_ThePayeeChangesForLaterSubscriptions() public {
        bytes32 id = _publish("1");
        vm.expectEmit(address(registry));
        emit IModelRegistry.RoyaltyToChanged(id, OTHER);
        vm.prank(CREATOR);
        registry.setRoyaltyTo("demo", "digits", "1", OTHER);
        _assertTerms(id, OTHER, 250);
        vm.assertEq(registry.getVersion(id).manifestHash, MANIFEST);

        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidRoyalty.selector, address(0), 250, 5_000));
        vm.prank(CREATOR);
        registry.setRoyaltyTo("demo", "digits", "1", address(0));
    }

    function test_RevertWhen_SomebodyElseChangesThePayee() public {
        _publish("1");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, CREATOR));
        vm.prank(OTHER);
        registry.setRoyaltyTo("demo", "digits", "1", OTHER);
    }

    function testFuzz_PriceHints(address token, uint128 fee) public {
        bytes32 id = _publish("1");
        vm.expectEmit(address(registry));
        emit IModelRegistry.PriceHinted(id, token, fee);
        vm.prank(CREATOR);
        registry.setPrice("demo", "digits", "1", token, fee);
        vm.assertEq(registry.getPrice(id, token), fee);

        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, CREATOR));
        vm.prank(OTHER);
        registry.setPrice("demo", "digits", "1", token, 0);
    }

    // --- Aliases

    function test_AnAliasMovesAndItsTermsWithIt() public {
        bytes32 first = _publish("1");
        vm.prank(CREATOR);
        bytes32 second =
            registry.publish("demo", "digits", "2", IModelRegistry.Publication(keccak256("second"), URI, OTHER, 500));
        bytes32 aliasId = keccak256("demo/digits@latest");
        _assertTerms(aliasId, address(0), 0);

        vm.expectEmit(address(registry));
        emit IModelRegistry.AliasMoved(aliasId, first, "demo/digits@latest", "demo/digits:1");
        _setAlias(CREATOR, "1");
        vm.assertEq(registry.resolveAlias(aliasId), first);
        _assertTerms(aliasId, PAYEE, 250);

        _setAlias(CREATOR, "2");
        vm.assertEq(registry.resolveAlias(aliasId), second);
        _assertTerms(aliasId, OTHER, 500);
        _assertTerms(first, PAYEE, 250);

        vm.expectEmit(address(registry));
        emit IModelRegistry.AliasMoved(aliasId, 0, "demo/digits@latest", "");
        _setAlias(CREATOR, "");
        _assertTerms(aliasId, address(0), 0);
    }

    function test_RevertWhen_AnAliasPointsNowhere() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotPublished.selector, "demo/digits:3"));
        _setAlias(CREATOR, "3");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotPublished.selector, "demo/digits:3"));
        vm.prank(CREATOR);
        registry.setRoyaltyTo("demo", "digits", "3", OTHER);
    }

    function test_RevertWhen_SomebodyElseMovesAnAlias() public {
        _publish("1");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NotNamespaceOwner.selector, OTHER, CREATOR));
        _setAlias(OTHER, "1");
    }

    function _setAlias(address caller, string memory version) private {
        vm.prank(caller);
        registry.setAlias("demo", "digits", "latest", version);
    }

    function _assertTerms(bytes32 id, address to, uint16 bps) private view {
        (address royaltyTo, uint16 royaltyBps) = registry.terms(id);
        vm.assertEq(royaltyTo, to);
        vm.assertEq(royaltyBps, bps);
    }
}
