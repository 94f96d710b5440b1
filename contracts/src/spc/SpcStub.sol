// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title SpcStub
/// @notice Stands at the address of a stateful precompile on a chain that has none: anvil, a forge test. Answers what its
/// storage has an answer for. Anything else is a trap: a host reads the request, writes the answer, and replays.
/// @dev Assumptions:
/// - Who can write this storage from outside (`anvil_setStorageAt`, `vm.store`) is trusted with every answer. No contract
///   can: the stub itself writes only its version, and no calldata chooses where or what.
/// - Two places may hold an answer. One is for this very call: `keccak256(version, caller, block number, request)`, five
///   words and the request, `version` being that of the state it asks. The other is for the request whoever makes it and
///   whenever: `keccak256(request)`. The first counts.
/// - An answer is a word, `length << 8 | flags`, and its bytes in the slots that follow. Flags: 1 present, 2 it reverts,
///   4 it changes the precompile's state. In that last case the version becomes the place of the answer, so that the
///   version names all that was changed before; a reverted frame, a snapshot or a reorg takes it back with everything else.
/// - A trap calls `DOOR` with version, caller, block number and request. A try/catch around the stub cannot hide that from
///   a host that traces, nor from a contract that a test puts there. Then the trap burns what gas it has, so that even a
///   transaction without a host fails rather than goes on along its catch, and reverts with `SpcUnanswered`.
/// - As with the precompiles themselves, value and DELEGATECALL are refused.
contract SpcStub {
    /// @notice There is no answer here: run the transaction behind a host (`infernet chain stubs`), or place an answer.
    error SpcUnanswered(address spc, address caller, bytes request);

    /// @notice A stateful precompile takes no ETH.
    error NotPayable();

    /// @notice A stateful precompile has a storage of its own: it runs by CALL or STATICCALL alone.
    error DelegateCalled();

    /// @dev Addresses of precompiles are below this one; a delegate-calling contract's is not.
    uint256 private constant FIRST_ORDINARY_ADDRESS = 0x10000;

    uint256 private constant VERSION_SLOT = 0;
    uint256 private constant PRESENT = 1;
    uint256 private constant REVERTS = 2;
    uint256 private constant CHANGES_STATE = 4;
    uint256 private constant GAS_TO_REVERT = 60_000;

    /// @dev Nothing lives there: keccak256("infernet.spc.door"), cut.
    address private constant DOOR = address(uint160(uint256(keccak256("infernet.spc.door"))));

    fallback(bytes calldata request) external payable returns (bytes memory) {
        if (uint160(address(this)) >= FIRST_ORDINARY_ADDRESS) revert DelegateCalled();
        if (msg.value != 0) revert NotPayable();
        if (msg.sender == address(this)) _burn();

        bytes memory knock = bytes.concat(abi.encode(_version(), msg.sender, block.number), request);
        bytes32 place = keccak256(knock);
        uint256 head = _load(place);
        if (head & PRESENT == 0) {
            place = keccak256(request);
            head = _load(place);
        }
        if (head & PRESENT == 0) _trap(knock, request);

        if (head & CHANGES_STATE != 0) _setVersion(place);
        bytes memory answer = _read(place, head >> 8);
        if (head & REVERTS == 0) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _trap(bytes memory knock, bytes calldata request) private view {
        _try(DOOR, knock);
        while (gasleft() > GAS_TO_REVERT + request.length * 16) {
            _try(address(this), "");
        }
        revert SpcUnanswered(address(this), msg.sender, request);
    }

    function _try(address target, bytes memory data) private view {
        assembly ("memory-safe") {
            pop(staticcall(gas(), target, add(data, 0x20), mload(data), 0, 0))
        }
    }

    function _read(bytes32 place, uint256 length) private view returns (bytes memory answer) {
        answer = new bytes(length);
        for (uint256 i = 0; i < length; i += 32) {
            bytes32 word = bytes32(_load(bytes32(uint256(place) + 1 + i / 32)));
            assembly ("memory-safe") {
                mstore(add(add(answer, 0x20), i), word)
            }
        }
    }

    function _burn() private pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function _version() private view returns (bytes32) {
        return bytes32(_load(bytes32(VERSION_SLOT)));
    }

    function _setVersion(bytes32 version) private {
        assembly ("memory-safe") {
            sstore(VERSION_SLOT, version)
        }
    }

    function _load(bytes32 slot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }
}
