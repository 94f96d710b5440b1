// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Dtype, Tensor, Tensors} from "../src/Tensor.sol";
import {Base} from "./Base.sol";

/// @dev The library behind external calls, so that its reverts can be expected.
contract TensorCaller {
    function pack(uint8 dtype, uint8 scale, uint32[] calldata shape, int256[] calldata stored)
        external
        pure
        returns (Tensor memory)
    {
        return Tensors.pack(dtype, scale, shape, stored);
    }

    function packValues(uint8 dtype, int256[] calldata stored) external pure returns (bytes memory) {
        return Tensors.packValues(dtype, stored);
    }

    function valueAt(Tensor calldata tensor, uint256 index) external pure returns (int256) {
        return Tensors.valueAt(tensor, index);
    }

    function encode(Tensor calldata tensor) external pure returns (bytes memory) {
        return Tensors.encode(tensor);
    }

    function decode(bytes calldata data) external pure returns (Tensor memory) {
        return Tensors.decode(data);
    }

    function decodeInts(bytes calldata data) external pure returns (int256[] memory) {
        return Tensors.decodeInts(data);
    }

    function itemSize(uint8 dtype) external pure returns (uint256) {
        return Tensors.itemSize(dtype);
    }

    function rescale(int256 value, uint8 from, uint8 to) external pure returns (int256) {
        return Tensors.rescale(value, from, to);
    }

    function mulFixed(int256 a, int256 b, uint8 scale) external pure returns (int256) {
        return Tensors.mulFixed(a, b, scale);
    }

    function divFixed(int256 a, int256 b, uint8 scale) external pure returns (int256) {
        return Tensors.divFixed(a, b, scale);
    }

    function argmax(int256[] calldata values) external pure returns (uint256) {
        return Tensors.argmax(values);
    }
}

contract TensorTest is Base {
    TensorCaller private tensors;
    uint8[12] private dtypes = [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 15];

    function setUp() public override {
        tensors = new TensorCaller();
    }

    function _shape(uint32 a) private pure returns (uint32[] memory shape) {
        shape = new uint32[](1);
        shape[0] = a;
    }

    function _shape(uint32 a, uint32 b) private pure returns (uint32[] memory shape) {
        shape = new uint32[](2);
        (shape[0], shape[1]) = (a, b);
    }

    function _ints(int256 a) private pure returns (int256[] memory values) {
        values = new int256[](1);
        values[0] = a;
    }

    function _ints(int256 a, int256 b, int256 c) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }

    /// @dev The least and the largest stored value.
    function _range(uint8 dtype) private view returns (int256 low, int256 high) {
        uint256 bits = dtype == Dtype.BOOL ? 1 : tensors.itemSize(dtype) * 8;
        bool signed = dtype >= 5 && dtype <= 8;
        if (signed) return (-int256(1 << (bits - 1)), int256(1 << (bits - 1)) - 1);
        return (0, int256(1 << bits) - 1);
    }

    function _fit(int256[] memory values, uint8 dtype) private view {
        (int256 low, int256 high) = _range(dtype);
        for (uint256 i; i < values.length; ++i) {
            values[i] = low + int256(_bound(uint256(values[i]), 0, uint256(high - low)));
        }
    }

    function testFuzz_RoundTrip(uint256 pick, uint8 scale, int256[] memory stored) public view {
        uint8 dtype = dtypes[pick % 12];
        if (!Tensors.isInteger(dtype)) scale = 0;
        _fit(stored, dtype);
        Tensor memory tensor = tensors.pack(dtype, scale, _shape(uint32(stored.length)), stored);
        vm.assertEq(tensor.values.length, stored.length * tensors.itemSize(dtype));

        bytes memory encoded = tensors.encode(tensor);
        vm.assertEq(encoded, abi.encode(tensor));
        Tensor memory back = tensors.decode(encoded);
        vm.assertEq(abi.encode(back), encoded);
        vm.assertEq(Tensors.unpack(back), stored);
        for (uint256 i; i < stored.length; ++i) {
            vm.assertEq(tensors.valueAt(back, i), stored[i]);
        }
    }

    function test_PacksWithoutGapsBigEndian() public view {
        vm.assertEq(tensors.packValues(Dtype.INT16, _ints(1, -2, 32_767)), hex"0001fffe7fff");
        vm.assertEq(tensors.packValues(Dtype.UINT8, _ints(0, 128, 255)), hex"0080ff");
        vm.assertEq(tensors.packValues(Dtype.BOOL, _ints(1, 0, 1)), hex"010001");
        vm.assertEq(tensors.packValues(Dtype.FLOAT32, _ints(0x3fc00000)), hex"3fc00000"); // 1.5
        vm.assertEq(tensors.packValues(Dtype.INT64, _ints(type(int64).min)), hex"8000000000000000");
    }

    function test_PackingDoesNotTouchMemoryBeyond() public pure {
        bytes memory values = Tensors.packValues(Dtype.UINT8, _ints(255, 255, 255));
        bytes memory next = hex"0102";
        vm.assertEq(values, hex"ffffff");
        vm.assertEq(next, hex"0102");
    }

    function test_ItemSizes() public view {
        uint8[12] memory sizes = [2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1];
        for (uint256 i; i < 12; ++i) {
            vm.assertEq(tensors.itemSize(dtypes[i]), sizes[i]);
        }
    }

    function test_RevertWhen_DtypeIsUnknown() public {
        uint8[6] memory unknown = [3, 4, 13, 14, 16, 255];
        for (uint256 i; i < unknown.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Tensors.InvalidDtype.selector, unknown[i]));
            tensors.itemSize(unknown[i]);
            vm.expectRevert(abi.encodeWithSelector(Tensors.InvalidDtype.selector, unknown[i]));
            tensors.encode(Tensor(unknown[i], 0, _shape(0), ""));
        }
    }

    function testFuzz_RevertWhen_ValueDoesNotFit(uint256 pick, uint256 beyond) public {
        uint8 dtype = dtypes[pick % 12];
        (int256 low, int256 high) = _range(dtype);
        int256 above = high + 1 + int256(_bound(beyond, 0, uint256(type(int256).max - high - 1)));
        int256 below = low - 1 - int256(_bound(beyond, 0, uint256(type(int256).max + low - 1)));
        vm.expectRevert(abi.encodeWithSelector(Tensors.ValueOutOfRange.selector, above, dtype));
        tensors.packValues(dtype, _ints(above));
        vm.expectRevert(abi.encodeWithSelector(Tensors.ValueOutOfRange.selector, below, dtype));
        tensors.packValues(dtype, _ints(below));
        tensors.packValues(dtype, _ints(low));
        tensors.packValues(dtype, _ints(high));
    }

    function testFuzz_RevertWhen_ScaleIsOnANonInteger(uint8 scale) public {
        vm.assume(scale != 0);
        uint8[4] memory others = [0, 1, 2, 15];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Tensors.ScaleOnNonInteger.selector, others[i], scale));
            tensors.pack(others[i], scale, _shape(1), _ints(1));
        }
        tensors.pack(Dtype.INT8, scale, _shape(1), _ints(1));
        tensors.pack(Dtype.UINT64, scale, _shape(1), _ints(1));
    }

    function testFuzz_RevertWhen_LengthDoesNotFitTheShape(uint16 length, uint16 expected) public {
        vm.assume(length != expected);
        Tensor memory tensor = Tensor(Dtype.UINT8, 0, _shape(expected), new bytes(length));
        vm.expectRevert(abi.encodeWithSelector(Tensors.LengthMismatch.selector, length, expected));
        tensors.encode(tensor);
        vm.expectRevert(abi.encodeWithSelector(Tensors.LengthMismatch.selector, length, expected));
        tensors.decode(abi.encode(tensor));
    }

    function test_ShapesDoNotOverflow() public {
        uint32[] memory shape = new uint32[](40);
        for (uint256 i; i < 40; ++i) {
            shape[i] = type(uint32).max;
        }
        vm.assertEq(Tensors.count(shape), type(uint128).max);
        vm.expectRevert();
        tensors.encode(Tensor(Dtype.UINT64, 0, shape, ""));
        // 2^32 · 2^32 · … wraps to 0 in 256 bits when multiplied without care
        for (uint256 i; i < 40; ++i) {
            shape[i] = 2 ** 31;
        }
        vm.expectRevert();
        tensors.encode(Tensor(Dtype.UINT64, 0, shape, ""));
        shape[39] = 0;
        vm.assertEq(Tensors.count(shape), 0);
        tensors.encode(Tensor(Dtype.UINT64, 0, shape, ""));
    }

    function test_ScalarsAndEmptyTensors() public view {
        uint32[] memory none = new uint32[](0);
        Tensor memory scalar = tensors.pack(Dtype.INT32, 2, none, _ints(-314));
        vm.assertEq(Tensors.count(scalar.shape), 1);
        vm.assertEq(Tensors.size(scalar), 4);
        vm.assertEq(tensors.valueAt(scalar, 0), -314);
        Tensor memory empty = tensors.pack(Dtype.INT32, 0, _shape(3, 0), new int256[](0));
        vm.assertEq(Tensors.unpack(empty).length, 0);
    }

    function testFuzz_RevertWhen_IndexIsOutOfRange(uint256 index) public {
        index = _bound(index, 3, type(uint256).max);
        Tensor memory tensor = tensors.pack(Dtype.INT8, 0, _shape(3), _ints(1, 2, 3));
        vm.expectRevert(abi.encodeWithSelector(Tensors.IndexOutOfRange.selector, index, 3));
        tensors.valueAt(tensor, index);
    }

    function test_RevertWhen_ABoolIsNeitherZeroNorOne() public {
        vm.expectRevert(abi.encodeWithSelector(Tensors.ValueOutOfRange.selector, int256(2), Dtype.BOOL));
        tensors.encode(Tensor(Dtype.BOOL, 0, _shape(3), hex"000102"));
    }

    function testFuzz_RevertWhen_BytesAreNotATensor(bytes calldata data) public {
        vm.assume(data.length < 160);
        vm.expectRevert();
        tensors.decode(data);
    }

    function testFuzz_PlainIntegersRoundTrip(int256[] calldata values) public view {
        bytes memory encoded = Tensors.encodeInts(values);
        vm.assertEq(encoded, abi.encode(values));
        vm.assertEq(tensors.decodeInts(encoded), values);
    }

    // --- Fixed point

    function test_RescaleRoundsHalfAwayFromZero() public view {
        vm.assertEq(tensors.rescale(149, 2, 0), 1);
        vm.assertEq(tensors.rescale(150, 2, 0), 2);
        vm.assertEq(tensors.rescale(250, 2, 0), 3);
        vm.assertEq(tensors.rescale(-149, 2, 0), -1);
        vm.assertEq(tensors.rescale(-150, 2, 0), -2);
        vm.assertEq(tensors.rescale(-250, 2, 0), -3);
        vm.assertEq(tensors.rescale(7, 3, 3), 7);
        vm.assertEq(tensors.rescale(-7, 0, 3), -7000);
    }

    function testFuzz_RescaleUpAndDownIsTheIdentity(int128 value, uint8 from, uint8 by) public view {
        from = uint8(_bound(from, 0, 200));
        by = uint8(_bound(by, 0, 38));
        vm.assertEq(tensors.rescale(tensors.rescale(value, from, from + by), from + by, from), value);
    }

    function testFuzz_RescaleIsWithinHalf(int256 value, uint8 by) public view {
        by = uint8(_bound(by, 1, 18));
        int256 unit = int256(10 ** uint256(by));
        value = value / 10 ** 20;
        int256 error_ = tensors.rescale(value, by, 0) * unit - value;
        vm.assertTrue(error_ <= unit / 2 && error_ >= -unit / 2);
    }

    function test_RescaleAtTheLimits() public {
        vm.assertEq(tensors.rescale(type(int256).min, 77, 0), -1);
        vm.assertEq(tensors.rescale(type(int256).max, 77, 0), 1);
        vm.assertEq(tensors.rescale(type(int256).min, 78, 0), 0);
        vm.assertEq(tensors.rescale(type(int256).max, 255, 0), 0);
        vm.assertEq(tensors.rescale(0, 0, 255), 0);
        vm.assertEq(tensors.rescale(type(int256).min, 5, 5), type(int256).min);
        vm.expectRevert();
        tensors.rescale(1, 0, 77);
        vm.expectRevert();
        tensors.rescale(1, 0, 255);
        vm.expectRevert();
        tensors.rescale(type(int256).max, 0, 1);
    }

    function test_MulAndDiv() public {
        vm.assertEq(tensors.mulFixed(150, 250, 2), 375);
        vm.assertEq(tensors.mulFixed(-5, 10, 2), -1); // -0.05 · 0.10 = -0.005
        vm.assertEq(tensors.divFixed(100, 300, 2), 33);
        vm.assertEq(tensors.divFixed(200, 300, 2), 67);
        vm.assertEq(tensors.divFixed(-100, 800, 2), -13);
        vm.assertEq(tensors.divFixed(100, -800, 2), -13);
        vm.assertEq(tensors.divFixed(-100, -800, 2), 13);
        vm.assertEq(tensors.divFixed(type(int256).min, 1, 0), type(int256).min);
        vm.assertEq(tensors.divFixed(type(int256).min, type(int256).min, 0), 1);
        vm.assertEq(tensors.divFixed(type(int256).min, -2, 0), 2 ** 254);
        vm.expectRevert();
        tensors.divFixed(type(int256).min, -1, 0);
        vm.expectRevert();
        tensors.divFixed(1, 0, 2);
        vm.expectRevert();
        tensors.mulFixed(type(int256).max, 2, 18);
    }

    function testFuzz_DivUndoesMul(int64 a, int64 b) public view {
        vm.assume(b != 0);
        vm.assertEq(tensors.divFixed(int256(a) * b, b, 0), a);
    }

    function testFuzz_ArgmaxIsTheFirstLargest(int256[] calldata values) public view {
        vm.assume(values.length != 0);
        uint256 best = tensors.argmax(values);
        for (uint256 i; i < values.length; ++i) {
            vm.assertTrue(i < best ? values[i] < values[best] : values[i] <= values[best]);
        }
    }

    function test_RevertWhen_ArgmaxOfNothing() public {
        vm.expectRevert(Tensors.EmptyInput.selector);
        tensors.argmax(new int256[](0));
    }
}
