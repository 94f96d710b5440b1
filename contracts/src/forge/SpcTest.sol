// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SpcStub} from "../spc/SpcStub.sol";

/// @dev The cheat codes of forge that `SpcTest` uses.
interface SpcCheats {
    function etch(address target, bytes calldata code) external;
    function expectCall(address callee, uint256 value, bytes calldata data) external;
    function store(address target, bytes32 slot, bytes32 value) external;
}

/// @title SpcTest
/// @notice Plays the stateful precompiles of an execution layer in forge tests: a test says what they answer.
/// @dev Inherit it beside forge-std's `Test`, or alone. An SPC of which a test has said nothing has no code. Once a test has
/// answered or trapped one, a request to it without an answer fails the test, even where the caller catches the revert.
abstract contract SpcTest {
    SpcCheats private constant CHEATS = SpcCheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant DOOR = address(uint160(uint256(keccak256("infernet.spc.door"))));

    uint256 private constant PRESENT = 1;
    uint256 private constant REVERTS = 2;

    /// @dev `spc` answers `request`, whoever makes it and how often, until another answer is given.
    /// @param spc The precompile's address, for instance 0x0802.
    /// @param request The calldata, for instance `abi.encodeCall(ILlm.complete, (model, prompt, maxTokens, seed))`.
    /// @param answer The return data, for instance `abi.encode(text, promptTokens, completionTokens)`.
    function fulfilSpc(address spc, bytes memory request, bytes memory answer) internal {
        _placeSpcAnswer(spc, request, answer, PRESENT);
    }

    /// @dev `spc` reverts on `request` with `Error(reason)`, as precompiles do.
    function failSpc(address spc, bytes memory request, string memory reason) internal {
        _placeSpcAnswer(spc, request, abi.encodeWithSignature("Error(string)", reason), PRESENT | REVERTS);
    }

    /// @dev From now on a request to `spc` that has no answer fails the test.
    function trapSpc(address spc) internal {
        if (spc.code.length == 0) CHEATS.etch(spc, type(SpcStub).runtimeCode);
        if (DOOR.code.length == 0) CHEATS.etch(DOOR, type(SpcDoor).runtimeCode);
    }

    function _placeSpcAnswer(address spc, bytes memory request, bytes memory answer, uint256 flags) private {
        trapSpc(spc);
        uint256 place = uint256(keccak256(request));
        CHEATS.store(spc, bytes32(place), bytes32(answer.length << 8 | flags));
        for (uint256 i = 0; i < answer.length; i += 32) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(answer, 0x20), i))
            }
            CHEATS.store(spc, bytes32(place + 1 + i / 32), word);
        }
    }
}

/// @title SpcDoor
/// @notice Where a stub's trap knocks. Fails the test that runs, whoever catches the revert that follows.
contract SpcDoor {
    SpcCheats private constant CHEATS = SpcCheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev The version, the caller and the block number, before the request.
    uint256 private constant HEAD_BYTES = 96;

    /// @dev No stub is ever sent a wei, so what is expected here never comes, and the failure names SPC and request.
    fallback() external {
        CHEATS.expectCall(msg.sender, 1 wei, msg.data[HEAD_BYTES:]);
    }
}
