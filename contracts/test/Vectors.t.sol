// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Shares, SharesLib} from "../src/Shares.sol";
import {DelegateRequest, Subscription, SubscriptionLib} from "../src/Subscription.sol";
import {Tensor, Tensors} from "../src/Tensor.sol";
import {Base} from "./Base.sol";

/// @dev Stands in for a consumer whose address the vectors chose.
contract SignerStub {
    address public immutable signer;

    constructor(address signer_) {
        signer = signer_;
    }

    function rawReceiveModelOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) external {}
}

/// @dev The golden vectors, which the Python side reads too.
contract VectorsTest is Base {
    using SubscriptionLib for Subscription;

    function hashLoaded(Subscription calldata s) external pure returns (bytes32) {
        (, bytes32 structHash) = s.load();
        return structHash;
    }

    function _key(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "].", field);
    }

    function _count(string memory json) private view returns (uint256 count) {
        while (vm.keyExistsJson(json, string.concat(".cases[", vm.toString(count), "]"))) ++count;
        vm.assertGt(count, 0);
    }

    function test_Subscriptions() public view {
        string memory json = vm.readFile("../vectors/subscription.json");
        uint256 count = _count(json);
        vm.assertEq(vm.parseJsonString(json, ".domain.name"), "InfernetCoordinator");
        vm.assertEq(vm.parseJsonString(json, ".domain.version"), "1");
        for (uint256 i; i < count; ++i) {
            _checkHashes(json, i);
            _checkDigest(json, i);
        }
    }

    function _subscription(string memory json, uint256 i) private pure returns (Subscription memory) {
        return abi.decode(vm.parseJsonBytes(json, _key(i, "abi")), (Subscription));
    }

    function _checkHashes(string memory json, uint256 i) private view {
        Subscription memory s = _subscription(json, i);
        bytes32 structHash = vm.parseJsonBytes32(json, _key(i, "structHash"));
        vm.assertEq(SubscriptionLib.TYPEHASH, vm.parseJsonBytes32(json, _key(i, "typeHash")));
        vm.assertEq(s.hash(), structHash);
        vm.assertEq(this.hashLoaded(s), structHash);
        vm.assertEq(SubscriptionLib.commitment(structHash), vm.parseJsonBytes32(json, _key(i, "commitment")));
        vm.assertEq(s.containerId, keccak256(bytes(vm.parseJsonString(json, _key(i, "container")))));
        bytes memory features = vm.parseJsonBytes(json, _key(i, "features"));
        bool pull = s.mode & 1 == 1 && features.length == 0;
        vm.assertEq(s.featuresHash, pull ? bytes32(0) : keccak256(features));
    }

    function _checkDigest(string memory json, uint256 i) private pure {
        uint32 nonce = uint32(vm.parseJsonUint(json, _key(i, "nonce")));
        uint40 expiry = uint40(vm.parseJsonUint(json, _key(i, "expiry")));
        bytes32 digest = _digest(
            vm.parseJsonAddress(json, ".domain.verifyingContract"),
            vm.parseJsonUint(json, ".domain.chainId"),
            nonce,
            expiry,
            _subscription(json, i)
        );
        vm.assertEq(digest, vm.parseJsonBytes32(json, _key(i, "digest")));

        bytes memory signature = vm.parseJsonBytes(json, _key(i, "signature"));
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        vm.assertEq(ecrecover(digest, uint8(signature[64]), r, s), vm.parseJsonAddress(json, _key(i, "signer")));
    }

    /// @dev Signatures made in Python are good for a Coordinator at that address.
    function test_SignaturesAreAccepted() public {
        string memory json = vm.readFile("../vectors/subscription.json");
        uint256 count = _count(json);
        uint256 accepted;
        vm.chainId(vm.parseJsonUint(json, ".domain.chainId"));
        address verifying = vm.parseJsonAddress(json, ".domain.verifyingContract");
        vm.etch(verifying, address(coordinator).code);
        for (uint256 i; i < count; ++i) {
            if (_createSigned(json, i, verifying)) ++accepted;
        }
        vm.assertGt(accepted, 0);
    }

    function _createSigned(string memory json, uint256 i, address verifying) private returns (bool ok) {
        DelegateRequest memory r;
        r.nonce = uint32(vm.parseJsonUint(json, _key(i, "nonce")));
        r.expiry = uint40(vm.parseJsonUint(json, _key(i, "expiry")));
        r.subscription = _subscription(json, i);
        r.container = vm.parseJsonString(json, _key(i, "container"));
        r.features = vm.parseJsonBytes(json, _key(i, "features"));
        r.signature = vm.parseJsonBytes(json, _key(i, "signature"));
        address owner = r.subscription.owner;
        vm.etch(owner, address(new SignerStub(vm.parseJsonAddress(json, _key(i, "signer")))).code);
        bytes memory result;
        (ok, result) = verifying.call(
            abi.encodeCall(
                coordinator.createSubscriptionDelegate,
                (r.nonce, r.expiry, r.subscription, r.container, r.features, r.signature)
            )
        );
        // Vectors may hold terms that have no meaning yet: those are refused for that reason, not for their signature.
        vm.assertTrue(
            ok || bytes4(result) != bytes4(keccak256("InvalidSignature(address,address)")), "signature refused"
        );
    }

    function test_Intervals() public {
        string memory json = vm.readFile("../vectors/interval.json");
        uint256 count = _count(json);
        for (uint256 i; i < count; ++i) {
            uint40 activeAt = uint40(vm.parseJsonUint(json, _key(i, "activeAt")));
            uint32 period = uint32(vm.parseJsonUint(json, _key(i, "period")));
            uint256 interval = vm.parseJsonUint(json, _key(i, "interval"));
            vm.warp(vm.parseJsonUint(json, _key(i, "now")));
            if (interval == 0) {
                vm.expectRevert();
                coordinator.getSubscriptionInterval(activeAt, period);
            } else {
                vm.assertEq(coordinator.getSubscriptionInterval(activeAt, period), interval);
            }
        }
    }

    /// @dev The shares of a fee, as the library splits it and as the contract quotes it.
    function test_Fees() public {
        string memory json = vm.readFile("../vectors/fees.json");
        uint256 count = _count(json);
        for (uint256 i; i < count; ++i) {
            Subscription memory s;
            s.fee = uint128(vm.parseJsonUint(json, _key(i, "fee")));
            s.royaltyBps = uint16(vm.parseJsonUint(json, _key(i, "royaltyBps")));
            s.verifierFee = uint96(vm.parseJsonUint(json, _key(i, "verifierFee")));
            uint16 bps = uint16(vm.parseJsonUint(json, _key(i, "protocolShareBps")));
            Shares memory shares = SharesLib.split(s, bps);
            _checkShares(json, i, shares);
            _takeShare(bps);
            (shares.node, shares.creator, shares.verifier, shares.protocol) = coordinator.quoteAnswer(s);
            _checkShares(json, i, shares);
        }
    }

    function _takeShare(uint16 bps) private {
        if (coordinator.PROTOCOL_SHARE_BPS() != bps) coordinator = _deployWith(bps, bps == 0 ? address(0) : PROTOCOL);
    }

    function _checkShares(string memory json, uint256 i, Shares memory shares) private pure {
        vm.assertEq(shares.node, vm.parseJsonUint(json, _key(i, "toNode")));
        vm.assertEq(shares.creator, vm.parseJsonUint(json, _key(i, "toCreator")));
        vm.assertEq(shares.verifier, vm.parseJsonUint(json, _key(i, "toVerifier")));
        vm.assertEq(shares.protocol, vm.parseJsonUint(json, _key(i, "toProtocol")));
    }

    function test_Tensors() public view {
        string memory json = vm.readFile("../vectors/tensor.json");
        uint256 count = _count(json);
        for (uint256 i; i < count; ++i) {
            _checkTensor(json, i);
        }
    }

    function _checkTensor(string memory json, uint256 i) private pure {
        bytes memory encoded = vm.parseJsonBytes(json, _key(i, "encoded"));
        Tensor memory tensor = Tensors.decode(encoded);
        uint256[] memory shape = vm.parseJsonUintArray(json, _key(i, "shape"));
        int256[] memory stored = vm.parseJsonIntArray(json, _key(i, "values"));

        vm.assertEq(tensor.dtype, vm.parseJsonUint(json, _key(i, "dtype")));
        vm.assertEq(tensor.scale, vm.parseJsonUint(json, _key(i, "scale")));
        vm.assertEq(tensor.shape.length, shape.length);
        for (uint256 k; k < shape.length; ++k) {
            vm.assertEq(tensor.shape[k], shape[k]);
        }
        vm.assertEq(Tensors.unpack(tensor), stored);
        vm.assertEq(Tensors.encode(Tensors.pack(tensor.dtype, tensor.scale, tensor.shape, stored)), encoded);
    }
}
