// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/src/utils/SSTORE2.sol";
import {IOnchainVerifier} from "../interfaces/IOnchainVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";
import {Dtype, Tensor} from "../Tensor.sol";
import {Verifier} from "./Verifier.sol";

/// @title OnchainVerifier
/// @notice Integer models in data contracts, and their arithmetic.
contract OnchainVerifier is Verifier, IOnchainVerifier {
    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.onchain");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = false;

    uint256 private constant MAX_LAYERS = 4;
    uint256 private constant MAX_INPUTS = 4_096; // 4,096 · 255 · 128 + 2^30 < 2^31
    int32 private constant MAX_BIAS = 2 ** 30;
    uint256 private constant MAX_DATA = 24_575;

    /// @inheritdoc IOnchainVerifier
    mapping(bytes32 modelId => address) public dataOf;

    /// @inheritdoc IOnchainVerifier
    function storeModel(Model calldata model) external returns (bytes32 modelId) {
        uint256 depth = model.layers.length;
        if (depth == 0 || depth > MAX_LAYERS) revert InvalidDepth(depth);
        bytes memory data = abi.encode(model);
        modelId = keccak256(data);
        if (dataOf[modelId] != address(0)) return modelId;

        // Check
        if (data.length > MAX_DATA) revert ModelTooLarge(data.length);
        for (uint256 i; i < depth; ++i) {
            bool last = i == depth - 1;
            bool fits = last || model.layers[i].outputs == model.layers[i + 1].inputs;
            if (!fits || last != (model.layers[i].divisor == 0)) revert InvalidLayer(i);
            _checkLayer(model.layers[i], i);
        }

        // Effect
        address pointer = SSTORE2.write(data);
        dataOf[modelId] = pointer;

        emit ModelStored(modelId, pointer);
    }

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external view {
        _checkNoFee(s);
        if (params.length != 32) revert InvalidParams(params);
        if (dataOf[bytes32(params)] == address(0)) revert ModelNotStored(bytes32(params));
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata, bytes calldata proof)
        external
        view
        returns (Verdict verdict, uint40 pendingUntil)
    {
        (bytes32 modelId, bytes memory features) = abi.decode(proof, (bytes32, bytes));

        // Check: the model and the features are those of the claim.
        if (keccak256(abi.encode(modelId)) != claim.verifierParams) {
            revert ModelMismatch(modelId, claim.verifierParams);
        }
        bytes32 featuresHash = keccak256(features);
        if (featuresHash != claim.featuresHash) revert FeaturesMismatch(featuresHash, claim.featuresHash);

        // Check: so is the output.
        bool ok = keccak256(_run(modelId, features)) == claim.outputHash;
        return (ok ? Verdict.Valid : Verdict.Invalid, 0);
    }

    /// @inheritdoc IOnchainVerifier
    function run(bytes32 modelId, bytes calldata features) external view returns (bytes memory output) {
        return _run(modelId, features);
    }

    function _run(bytes32 modelId, bytes memory features) private view returns (bytes memory) {
        Model memory model = _load(modelId);
        Tensor memory rows = abi.decode(features, (Tensor));
        uint256 count = _checkRows(rows, model.layers[0].inputs);

        uint256 width = model.head == Head.Label ? 1 : model.layers[model.layers.length - 1].outputs;
        int256[] memory results = new int256[](count * width);
        for (uint256 row; row < count; ++row) {
            int256[] memory scores = _runRow(model.layers, rows.values, row * model.layers[0].inputs);
            if (model.head == Head.Label) {
                results[row] = int256(_argmax(scores));
            } else {
                for (uint256 i; i < width; ++i) {
                    results[row * width + i] = scores[i];
                }
            }
        }
        return abi.encode(results);
    }

    /// @param values Rows of inputs; the row to run begins at `offset`.
    function _runRow(Layer[] memory layers, bytes memory values, uint256 offset)
        private
        pure
        returns (int256[] memory sums)
    {
        sums = _runLayer(layers[0], values, offset);
        for (uint256 i = 1; i < layers.length; ++i) {
            sums = _runLayer(layers[i], _activate(sums, layers[i - 1].divisor), 0);
        }
    }

    /// @dev Eight outputs at a time, in eight lanes of 32 bits. Each weight is made unsigned by adding 128, so lanes
    /// never borrow from each other; 128 times the sum of the inputs is taken off again at the end. A lane is at most
    /// 4,096 · 255 · 255 < 2^28. Lanes beyond the last output carry the bytes that come next; nobody reads them.
    function _runLayer(Layer memory layer, bytes memory x, uint256 offset) private pure returns (int256[] memory sums) {
        uint256 inputs = layer.inputs;
        uint256 outputs = layer.outputs;
        bytes memory weights = layer.weights;
        bytes memory bias = layer.bias;
        sums = new int256[](outputs);
        assembly ("memory-safe") {
            let first := add(add(x, 0x20), offset)
            let end := add(first, inputs)
            let total := 0
            for { let p := first } lt(p, end) { p := add(p, 1) } { total := add(total, byte(0, mload(p))) }
            total := shl(7, total)

            let output := 0
            for {} lt(output, outputs) {} {
                // Dot products of eight columns.
                let lanes := 0
                let column := add(add(weights, 0x20), output)
                for { let p := first } lt(p, end) { p := add(p, 1) } {
                    let w := xor(shr(192, mload(column)), 0x8080808080808080)
                    w := and(
                        or(w, shl(96, w)),
                        0x00000000000000000000000000000000ffffffff000000000000000000000000ffffffff
                    )
                    w := and(or(w, shl(48, w)), 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff)
                    w := and(or(w, shl(24, w)), 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff)
                    lanes := add(lanes, mul(byte(0, mload(p)), w))
                    column := add(column, outputs)
                }
                // One by one: take the offset off, add the bias.
                for { let shift := 224 } lt(output, outputs) { shift := sub(shift, 32) } {
                    let b := signextend(3, shr(224, mload(add(add(bias, 0x20), shl(2, output)))))
                    let sum := add(sub(and(shr(shift, lanes), 0xffffffff), total), b)
                    mstore(add(add(sums, 0x20), shl(5, output)), sum)
                    output := add(output, 1)
                    if iszero(shift) { break }
                }
            }
        }
    }

    /// @dev Division rounds towards zero, as ONNX does; what it makes of negative sums is clipped anyway.
    function _activate(int256[] memory sums, uint32 divisor) private pure returns (bytes memory activations) {
        activations = new bytes(sums.length);
        for (uint256 i; i < sums.length; ++i) {
            int256 scaled = sums[i] / int256(uint256(divisor));
            if (scaled > 0) activations[i] = bytes1(scaled > 255 ? 255 : uint8(uint256(scaled)));
        }
    }

    function _argmax(int256[] memory scores) private pure returns (uint256 index) {
        for (uint256 i = 1; i < scores.length; ++i) {
            if (scores[i] > scores[index]) index = i;
        }
    }

    function _load(bytes32 modelId) private view returns (Model memory) {
        address pointer = dataOf[modelId];
        if (pointer == address(0)) revert ModelNotStored(modelId);
        return abi.decode(SSTORE2.read(pointer), (Model));
    }

    /// @return count The number of rows.
    function _checkRows(Tensor memory rows, uint256 inputs) private pure returns (uint256 count) {
        if (rows.dtype != Dtype.UINT8 || rows.scale != 0 || rows.shape.length != 2) revert InvalidFeatures();
        count = rows.shape[0];
        if (count == 0 || rows.shape[1] != inputs || rows.values.length != count * inputs) revert InvalidFeatures();
    }

    function _checkLayer(Layer calldata layer, uint256 index) private pure {
        uint256 outputs = layer.outputs;
        bool ok = layer.inputs != 0 && layer.inputs <= MAX_INPUTS && outputs != 0;
        ok = ok && layer.weights.length == layer.inputs * outputs && layer.bias.length == 4 * outputs;
        ok = ok && layer.divisor <= uint32(type(int32).max);
        if (!ok) revert InvalidLayer(index);
        for (uint256 i; i < outputs; ++i) {
            int32 value = int32(uint32(bytes4(layer.bias[4 * i:4 * i + 4])));
            if (value > MAX_BIAS || value < -MAX_BIAS) revert InvalidLayer(index);
        }
    }
}
