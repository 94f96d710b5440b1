// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A tensor as features and outputs carry it: `abi.encode(tensor)`.
struct Tensor {
    /// One of the codes in `Dtype`.
    uint8 dtype;
    /// Decimal places of an integer tensor: the value is stored / 10^scale. 0 for other dtypes.
    uint8 scale;
    /// The dimensions; empty for a scalar.
    uint32[] shape;
    /// The stored values in row-major order, packed without gaps, big-endian: two's complement or IEEE 754 bits.
    bytes values;
}

/// @notice Codes of `Tensor.dtype`.
library Dtype {
    uint8 internal constant FLOAT16 = 0;
    uint8 internal constant FLOAT32 = 1;
    uint8 internal constant FLOAT64 = 2;
    uint8 internal constant INT8 = 5;
    uint8 internal constant INT16 = 6;
    uint8 internal constant INT32 = 7;
    uint8 internal constant INT64 = 8;
    uint8 internal constant UINT8 = 9;
    uint8 internal constant UINT16 = 10;
    uint8 internal constant UINT32 = 11;
    uint8 internal constant UINT64 = 12;
    uint8 internal constant BOOL = 15;
}

/// @title Tensors
/// @notice Packs, reads, encodes and checks tensors; does fixed-point arithmetic. For models that take plain integers
/// `encodeInts` and `decodeInts` are all that is needed.
/// @dev Stored values travel as int256: integers as they are, bools as 0 and 1, floats as their bits, unsigned.
library Tensors {
    /// @notice No dtype has this code.
    error InvalidDtype(uint8 dtype);

    /// @notice Only integers have decimal places.
    error ScaleOnNonInteger(uint8 dtype, uint8 scale);

    /// @notice The shape asks for another number of bytes.
    error LengthMismatch(uint256 given, uint256 expected);

    /// @notice The value does not fit the dtype.
    error ValueOutOfRange(int256 value, uint8 dtype);

    /// @notice The tensor has `count` values; the first has index 0.
    error IndexOutOfRange(uint256 index, uint256 count);

    /// @notice Of no values none is the largest.
    error EmptyInput();

    // --- Layout

    /// @notice Bytes of one value.
    function itemSize(uint8 dtype) internal pure returns (uint256) {
        if (dtype == Dtype.INT8 || dtype == Dtype.UINT8 || dtype == Dtype.BOOL) return 1;
        if (dtype == Dtype.FLOAT16 || dtype == Dtype.INT16 || dtype == Dtype.UINT16) return 2;
        if (dtype == Dtype.FLOAT32 || dtype == Dtype.INT32 || dtype == Dtype.UINT32) return 4;
        if (dtype == Dtype.FLOAT64 || dtype == Dtype.INT64 || dtype == Dtype.UINT64) return 8;
        revert InvalidDtype(dtype);
    }

    /// @notice Whether the dtype is a signed integer.
    function isSigned(uint8 dtype) internal pure returns (bool) {
        return dtype >= Dtype.INT8 && dtype <= Dtype.INT64;
    }

    /// @notice Whether the dtype is an integer, signed or not.
    function isInteger(uint8 dtype) internal pure returns (bool) {
        return dtype >= Dtype.INT8 && dtype <= Dtype.UINT64;
    }

    /// @notice Number of values in a shape; 1 for the empty shape, a scalar.
    /// @dev Saturates at 2^128 - 1, so that no shape overflows and a dimension of 0 always gives 0.
    function count(uint32[] memory shape) internal pure returns (uint256 product) {
        product = 1;
        for (uint256 i; i < shape.length; ++i) {
            product *= shape[i];
            if (product > type(uint128).max) product = type(uint128).max;
        }
    }

    /// @notice Number of bytes that `values` must have.
    function size(Tensor memory tensor) internal pure returns (uint256) {
        return count(tensor.shape) * itemSize(tensor.dtype);
    }

    /// @notice Reverts unless the dtype exists, the scale is allowed, the length fits the shape and bools are 0 or 1.
    function validate(Tensor memory tensor) internal pure {
        uint256 expected = size(tensor);
        if (tensor.scale != 0 && !isInteger(tensor.dtype)) revert ScaleOnNonInteger(tensor.dtype, tensor.scale);
        if (tensor.values.length != expected) revert LengthMismatch(tensor.values.length, expected);
        if (tensor.dtype == Dtype.BOOL) {
            for (uint256 i; i < expected; ++i) {
                _checkRange(_load(tensor, i, 1), Dtype.BOOL);
            }
        }
    }

    // --- Values

    /// @notice Builds a tensor from stored values.
    function pack(uint8 dtype, uint8 scale, uint32[] memory shape, int256[] memory stored)
        internal
        pure
        returns (Tensor memory tensor)
    {
        tensor = Tensor(dtype, scale, shape, packValues(dtype, stored));
        validate(tensor);
    }

    /// @notice Packs stored values without gaps. Reverts where one does not fit the dtype.
    function packValues(uint8 dtype, int256[] memory stored) internal pure returns (bytes memory values) {
        uint256 itemBytes = itemSize(dtype);
        uint256 length = stored.length * itemBytes;
        values = new bytes(length + 32); // room for the last whole-word write
        for (uint256 i; i < stored.length; ++i) {
            int256 value = stored[i];
            _checkRange(value, dtype);
            assembly ("memory-safe") {
                mstore(add(add(values, 0x20), mul(i, itemBytes)), shl(sub(256, mul(8, itemBytes)), value))
            }
        }
        assembly ("memory-safe") {
            mstore(values, length)
        }
    }

    /// @notice All stored values.
    function unpack(Tensor memory tensor) internal pure returns (int256[] memory stored) {
        uint256 itemBytes = itemSize(tensor.dtype);
        stored = new int256[](tensor.values.length / itemBytes);
        for (uint256 i; i < stored.length; ++i) {
            stored[i] = _load(tensor, i, itemBytes);
        }
    }

    /// @notice One stored value, by its index in row-major order.
    function valueAt(Tensor memory tensor, uint256 index) internal pure returns (int256) {
        uint256 itemBytes = itemSize(tensor.dtype);
        uint256 length = tensor.values.length / itemBytes;
        if (index >= length) revert IndexOutOfRange(index, length);
        return _load(tensor, index, itemBytes);
    }

    function _load(Tensor memory tensor, uint256 index, uint256 itemBytes) private pure returns (int256 value) {
        bytes memory values = tensor.values;
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, itemBytes)), mload(add(add(values, 0x20), mul(index, itemBytes))))
        }
        if (isSigned(tensor.dtype)) {
            assembly ("memory-safe") {
                value := signextend(sub(itemBytes, 1), value)
            }
        }
    }

    function _checkRange(int256 value, uint8 dtype) private pure {
        uint256 bits = dtype == Dtype.BOOL ? 1 : 8 * itemSize(dtype);
        bool signed = isSigned(dtype);
        int256 end = int256(1 << (signed ? bits - 1 : bits));
        if (value >= end || value < (signed ? -end : int256(0))) revert ValueOutOfRange(value, dtype);
    }

    // --- Bytes

    /// @notice Features or output of a model that takes or gives a tensor.
    function encode(Tensor memory tensor) internal pure returns (bytes memory) {
        validate(tensor);
        return abi.encode(tensor);
    }

    /// @notice Reads a tensor and checks it.
    function decode(bytes memory data) internal pure returns (Tensor memory tensor) {
        tensor = abi.decode(data, (Tensor));
        validate(tensor);
    }

    /// @notice Features of a model that takes plain integers.
    function encodeInts(int256[] memory values) internal pure returns (bytes memory) {
        return abi.encode(values);
    }

    /// @notice Output of a model that gives plain integers.
    function decodeInts(bytes memory data) internal pure returns (int256[] memory) {
        return abi.decode(data, (int256[]));
    }

    // --- Fixed point: value = stored / 10^scale, rounding half away from zero

    /// @notice The same value with another number of decimal places.
    function rescale(int256 value, uint8 from, uint8 to) internal pure returns (int256) {
        if (to >= from) return value == 0 ? int256(0) : value * int256(10) ** uint256(to - from);
        if (from - to > 77) return 0; // |value| < 10^77
        return _divide(value, 10 ** uint256(from - to));
    }

    /// @notice a · b, all of the same scale.
    function mulFixed(int256 a, int256 b, uint8 scale) internal pure returns (int256) {
        return rescale(a * b, scale, 0);
    }

    /// @notice a / b, all of the same scale.
    function divFixed(int256 a, int256 b, uint8 scale) internal pure returns (int256) {
        int256 numerator = rescale(a, 0, scale);
        if (b >= 0) return _divide(numerator, uint256(b));
        if (numerator == type(int256).min) return -_divide(numerator, _abs(b)); // -1 overflows, as it must
        return _divide(-numerator, _abs(b));
    }

    /// @notice Index of the largest value; the first of equals.
    function argmax(int256[] memory values) internal pure returns (uint256 index) {
        if (values.length == 0) revert EmptyInput();
        for (uint256 i = 1; i < values.length; ++i) {
            if (values[i] > values[index]) index = i;
        }
    }

    function _divide(int256 a, uint256 b) private pure returns (int256) {
        uint256 magnitude = _abs(a);
        uint256 quotient = magnitude / b;
        uint256 remainder = magnitude % b;
        if (remainder >= b - remainder) ++quotient;
        unchecked {
            return a < 0 ? -int256(quotient) : int256(quotient); // at most |a|, so it fits
        }
    }

    function _abs(int256 a) private pure returns (uint256) {
        unchecked {
            return a < 0 ? uint256(-a) : uint256(a);
        }
    }
}
