// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {Claim, IVerifier, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription, SubscriptionLib} from "../../src/Subscription.sol";
import {Verifier} from "../../src/verifiers/Verifier.sol";
import {Vm} from "../Vm.sol";
import {vmMore} from "./VmMore.sol";

/// @dev Plays the Coordinator, so that a verifier is tested apart from it: the test contract is the caller of
/// `verify` and keeps the commitments that verifiers may ask for.
abstract contract VerifierBase {
    using SubscriptionLib for Subscription;

    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant START = 1_767_225_600;
    uint96 internal constant MIN_BOND = 1 ether;
    bytes internal constant FEATURES = hex"0102030405";
    address internal constant OWNER = address(0x0E4);
    address internal constant PAYER = address(0x9A1);

    INodeRegistry internal registry;

    mapping(address owner => mapping(uint32 id => bytes32)) private _words;

    receive() external payable {}

    // --- The Coordinator's part

    function getSubscription(address owner, uint32 id) external view returns (bytes32, uint32, uint16) {
        return (_words[owner][id], 0, 0);
    }

    function getSubscriptionInterval(uint40 activeAt, uint32 period) external view returns (uint32) {
        return period == 0 ? 1 : uint32((block.timestamp - activeAt) / period + 1);
    }

    /// @dev As created, with the byte of flags in some state.
    function _store(uint32 id, Subscription memory s) internal {
        _words[s.owner][id] = SubscriptionLib.commitment(s.hash()) | bytes32(uint256(0x11));
    }

    function setUp() public virtual {
        vm.warp(START);
        registry = INodeRegistry(vm.deployCode("NodeRegistry.sol:NodeRegistry", abi.encode(uint40(7 days))));
    }

    function _claim(bytes memory output, bytes memory params) internal pure returns (Claim memory c) {
        c.owner = OWNER;
        c.id = 7;
        c.interval = 1;
        c.redundancy = 1;
        c.node = address(0xA11CE);
        c.containerId = keccak256("demo/digits:1");
        c.featuresHash = keccak256(FEATURES);
        c.outputHash = keccak256(output);
        c.verifierParams = keccak256(params);
        c.minBond = MIN_BOND;
    }

    /// @dev Terms that fit `_claim`.
    function _terms(address verifier, bytes memory params) internal view returns (Subscription memory s) {
        s.owner = OWNER;
        s.containerId = keccak256("demo/digits:1");
        s.featuresHash = keccak256(FEATURES);
        s.frequency = 1;
        s.activeAt = uint40(START);
        s.redundancy = 1;
        s.maxGasPrice = 100 gwei;
        s.maxGasLimit = 600_000;
        s.minBond = MIN_BOND;
        s.verifier = verifier;
        s.verifierParams = keccak256(params);
        s.payer = PAYER;
        s.deadline = uint40(block.timestamp + 365 days);
    }

    function _bond(address node, address verifier, uint256 amount) internal {
        vmMore.deal(address(this), amount);
        registry.postBond{value: amount}(node, verifier);
    }

    function _signDigest(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _assertVerdict(
        IVerifier verifier,
        Claim memory c,
        bytes memory output,
        bytes memory proof,
        Verdict expected
    ) internal {
        (Verdict verdict,) = verifier.verify(c, output, proof);
        vm.assertEq(uint256(verdict), uint256(expected));
    }

    /// @dev An answer that is not good may be refused by a verdict or by a revert.
    function _assertRefused(IVerifier verifier, Claim memory c, bytes memory output, bytes memory proof) internal {
        try verifier.verify(c, output, proof) returns (Verdict verdict, uint40) {
            vm.assertEq(uint256(verdict), uint256(Verdict.Invalid));
        } catch {}
    }

    /// @dev None of these verifiers can withdraw a fee.
    function _assertTakesNoFee(IVerifier verifier, Subscription memory s, bytes memory params) internal {
        verifier.checkTerms(s, params);
        s.verifierFee = 1;
        vm.expectRevert(abi.encodeWithSelector(Verifier.VerifierFeeNotTaken.selector, 1));
        verifier.checkTerms(s, params);
    }

    /// @dev EIP-712, written out apart from the contracts.
    function _digest(address verifier, uint256 chain, bytes32 structHash) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InfernetAnswer"),
                keccak256("1"),
                chain,
                verifier
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev Flips one bit of one word of a claim: each field in turn, but the ones that a proof need not bind.
    function _tampered(Claim memory c, uint256 field) internal pure returns (Claim memory t) {
        t = abi.decode(abi.encode(c), (Claim));
        assembly {
            let slot := add(t, mul(field, 0x20))
            mstore(slot, xor(mload(slot), 1))
        }
    }
}
