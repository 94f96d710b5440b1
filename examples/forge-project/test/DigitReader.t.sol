// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Infernet, InfernetTest} from "@infernet/contracts/forge/InfernetTest.sol";
import {ICoordinator} from "@infernet/contracts/interfaces/ICoordinator.sol";
import {Tensors} from "@infernet/contracts/Tensor.sol";
import {DigitReader} from "../src/DigitReader.sol";

/// With forge-std in the project: `contract DigitReaderTest is Test, InfernetTest`, and its `vm`.
interface Vm {
    function assertEq(uint256 a, uint256 b) external pure;
    function expectRevert(bytes calldata data) external;
}

contract DigitReaderTest is InfernetTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    DigitReader private reader = new DigitReader(address(Infernet.COORDINATOR));

    function test_KeepsTheLabelAndPaysTheNode() public {
        uint32 id = reader.read{value: reader.FEE()}(new bytes(64));

        fulfil(id, _label(7));

        vm.assertEq(reader.labels(id, 1), 7);
        (uint256 earned,) = Infernet.COORDINATOR.balanceOf(Infernet.NODE, address(0));
        vm.assertEq(earned, reader.FEE());
    }

    function test_RefusesWhatIsNoLabel() public {
        uint32 id = reader.read{value: reader.FEE()}(new bytes(64));

        bytes memory reason = abi.encodeWithSelector(DigitReader.NotALabel.selector, 10);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, address(reader), id, reason));
        fulfil(id, _label(10));

        fulfil(id, _label(1)); // the next node does better
        vm.assertEq(reader.labels(id, 1), 1);
    }

    function testFuzz_ReadsTheBoardEachDay(uint8 first, uint8 second) public {
        uint32 id = reader.readDaily(2);
        for (uint32 day = 1; day <= 2; ++day) {
            warpTo(id, day);
            reader.write(abi.encodePacked(new bytes(63), day == 1 ? first : second));

            int256[] memory pixels = Tensors.unpack(Tensors.decode(features(id)));
            fulfil(id, _label(pixels[63] % 10)); // a model of sorts: the last pixel's last digit
        }
        vm.assertEq(reader.labels(id, 1), first % 10);
        vm.assertEq(reader.labels(id, 2), second % 10);
    }

    function _label(int256 label) private pure returns (bytes memory) {
        int256[] memory output = new int256[](1);
        output[0] = label;
        return Tensors.encodeInts(output);
    }
}
