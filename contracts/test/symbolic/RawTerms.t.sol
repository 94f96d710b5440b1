// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RawTerms} from "../../src/RawTerms.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Terms} from "../../src/Terms.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev Refuses everything, and says what it was called with.
contract Echo {
    fallback() external {
        assembly {
            calldatacopy(0, 0, calldatasize())
            revert(0, calldatasize())
        }
    }
}

/// @dev A subscription on its way to `Terms`, which alone decides what may be created.
contract RawTermsSymbolic is Symbolic {
    using RawTerms for Subscription;

    uint256 private constant VERIFIER = 12;
    uint256 private constant FEE = 17;

    Terms private terms;
    Terms private echo;

    function setUp() public {
        address models = _deploy("ModelRegistry", "");
        terms = Terms(_deploy("Terms", abi.encode(110_000, 365 days, 0, models)));
        echo = Terms(address(new Echo()));
    }

    function pass(
        Subscription calldata s,
        uint32 id,
        bytes32 containerId,
        bytes32 featuresHash,
        bytes calldata verifierParams
    ) external view {
        s.check(echo, id, containerId, featuresHash, verifierParams);
    }

    /// @dev What is passed on by hand is what Solidity would encode; with parameters of 0, 32, 65 and 1,024 bytes.
    function check_IsPassedOnAsSolidityWould(
        Subscription calldata s,
        uint32 id,
        bytes32 containerId,
        bytes32 featuresHash,
        bytes calldata verifierParams
    ) external view {
        bytes memory expected = abi.encodeCall(Terms.check, (s, id, containerId, featuresHash, verifierParams));
        try this.pass(s, id, containerId, featuresHash, verifierParams) {
            assert(false);
        } catch (bytes memory given) {
            // Solidity pads the parameters to a whole word; nobody reads the padding.
            assert(given.length == 4 + (21 + 5) * 32 + verifierParams.length);
            for (uint256 i; i < given.length; ++i) {
                assert(given[i] == expected[i]);
            }
        }
    }

    /// @dev The widths of the fields, in bits.
    function _widths() private pure returns (uint256[21] memory) {
        return [uint256(160), 256, 256, 256, 32, 40, 16, 48, 32, 8, 160, 96, 160, 256, 96, 160, 160, 128, 160, 16, 40];
    }

    /// @dev No struct with a bit outside of its fields is ever committed to. The decoder reverts without a reason; where
    /// something is wrong with the terms themselves, there is one.
    function check_DirtyBitsAreRefused(uint256[21] calldata words, uint32 id, bytes32 containerId, bytes32 featuresHash)
        external
        view
    {
        uint256[21] memory widths = _widths();
        uint256 dirt;
        for (uint256 i; i < 21; ++i) {
            if (widths[i] < 256) dirt |= words[i] >> widths[i];
        }
        vm.assume(dirt != 0 || words[VERIFIER] == 0 && words[FEE] == 0); // no other contract is asked
        bytes memory data = bytes.concat(
            abi.encodePacked(Terms.check.selector, words), abi.encode(id, containerId, featuresHash, (21 + 4) * 32, 0)
        );
        (bool ok, bytes memory reason) = address(terms).staticcall(data);
        assert((dirt != 0) == (!ok && reason.length == 0));
    }
}
