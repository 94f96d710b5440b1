// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";

/// @dev The cheat codes that halmos knows too.
interface Vm {
    function assume(bool condition) external pure;
    function getCode(string calldata path) external view returns (bytes memory);
    function warp(uint256 timestamp) external;
}

/// @dev Properties that a solver proves for all arguments, or finds arguments that break them: `make symbolic`.
abstract contract Symbolic {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function _deployCoordinator() internal returns (ICoordinator) {
        address models = _deploy("ModelRegistry", "");
        address nodes = _deploy("NodeRegistry", abi.encode(7 days));
        return ICoordinator(_deploy("EIP712Coordinator", abi.encode(models, nodes, 0, 0)));
    }

    /// @dev By path: by name halmos would look into the everyday build, which may be an old one.
    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        string memory path = string.concat("cache/symbolic/", name, ".sol/", name, ".json");
        bytes memory code = bytes.concat(vm.getCode(path), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        assert(deployed != address(0));
    }
}
