// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOnchainVerifier as IOnchain} from "../../src/interfaces/IOnchainVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {VerifierBase} from "./VerifierBase.sol";
import {VmJson} from "./VmMore.sol";

/// @dev Models that the chain runs itself, against what ONNX Runtime answered (vectors/onchain.json).
contract OnchainVerifierTest is VerifierBase {
    IOnchain private verifier;
    string private json;

    function setUp() public override {
        super.setUp();
        verifier = IOnchain(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        json = vm.readFile("../vectors/onchain.json");
    }

    function _vmJson() private pure returns (VmJson) {
        return VmJson(address(vm));
    }

    function _model(string memory name) private view returns (IOnchain.Model memory model) {
        string memory path = string.concat(".", name);
        uint256[] memory inputs = vm.parseJsonUintArray(json, string.concat(path, ".inputs"));
        uint256[] memory outputs = vm.parseJsonUintArray(json, string.concat(path, ".outputs"));
        uint256[] memory divisors = vm.parseJsonUintArray(json, string.concat(path, ".divisors"));
        bytes[] memory weights = _vmJson().parseJsonBytesArray(json, string.concat(path, ".weights"));
        bytes[] memory bias = _vmJson().parseJsonBytesArray(json, string.concat(path, ".bias"));
        model.head = IOnchain.Head(vm.parseJsonUint(json, string.concat(path, ".head")));
        model.layers = new IOnchain.Layer[](inputs.length);
        for (uint256 i; i < inputs.length; ++i) {
            model.layers[i] =
                IOnchain.Layer(uint16(inputs[i]), uint16(outputs[i]), uint32(divisors[i]), weights[i], bias[i]);
        }
    }

    function _cases(string memory name) private view returns (bytes[] memory features, bytes[] memory results) {
        features = _vmJson().parseJsonBytesArray(json, string.concat(".", name, ".features"));
        results = _vmJson().parseJsonBytesArray(json, string.concat(".", name, ".results"));
    }

    function _repeatsOnnx(string memory name) private {
        bytes32 modelId = verifier.storeModel(_model(name));
        (bytes[] memory features, bytes[] memory results) = _cases(name);
        vm.assertGt(features.length, 5);
        for (uint256 i; i < features.length; ++i) {
            vm.assertEq(verifier.run(modelId, features[i]), results[i]);
        }
    }

    // --- The arithmetic

    function test_RepeatsTheLinearDigitsModelBitForBit() public {
        _repeatsOnnx("linear");
    }

    function test_RepeatsItsScoresBitForBit() public {
        _repeatsOnnx("linear_scores");
    }

    function test_RepeatsTheTwoLayerModelBitForBit() public {
        _repeatsOnnx("two_layers");
    }

    /// @dev Any shape, any weights, against the plain triple loop.
    function testFuzz_EqualsThePlainLoop(uint8 inputs, uint8 hidden, uint8 outputs, uint32 divisor, bytes32 seed)
        public
    {
        IOnchain.Model memory model;
        model.head = IOnchain.Head.Scores;
        model.layers = new IOnchain.Layer[](2);
        inputs = 1 + inputs % 40;
        hidden = 1 + hidden % 20;
        outputs = 1 + outputs % 20;
        divisor = 1 + divisor % 300;
        model.layers[0] = _randomLayer(inputs, hidden, divisor, seed);
        model.layers[1] = _randomLayer(hidden, outputs, 0, keccak256(abi.encode(seed)));
        bytes memory x = _random(inputs, keccak256(abi.encode(seed, "x")));

        bytes memory found = verifier.run(verifier.storeModel(model), _features(1, inputs, x));
        int256[] memory sums = _plain(model.layers[0], x);
        bytes memory between = new bytes(hidden);
        for (uint256 i; i < hidden; ++i) {
            int256 scaled = (sums[i] < 0 ? int256(0) : sums[i]) / int256(uint256(divisor));
            between[i] = bytes1(uint8(uint256(scaled > 255 ? int256(255) : scaled)));
        }
        vm.assertEq(found, abi.encode(_plain(model.layers[1], between)));
    }

    /// @dev The largest sums there are: every lane at its limit.
    function test_TheLargestSumsFit() public {
        IOnchain.Model memory model;
        model.head = IOnchain.Head.Scores;
        model.layers = new IOnchain.Layer[](1);
        bytes memory x = new bytes(4_096);
        bytes memory weights = new bytes(4_096 * 5);
        for (uint256 i; i < x.length; ++i) {
            x[i] = 0xff;
        }
        for (uint256 i; i < weights.length; ++i) {
            weights[i] = i % 5 == 1 || i % 5 == 4 ? bytes1(0x7f) : bytes1(0x80);
        }
        bytes4 most = bytes4(uint32(2 ** 30));
        bytes4 least = bytes4(uint32(int32(-(2 ** 30))));
        bytes memory bias = abi.encodePacked(least, most, bytes4(0), bytes4(uint32(1)), bytes4(0xffffffff));
        model.layers[0] = IOnchain.Layer(4_096, 5, 0, weights, bias);
        bytes memory found = verifier.run(verifier.storeModel(model), _features(1, 4_096, x));
        vm.assertEq(found, abi.encode(_plain(model.layers[0], x)));
    }

    function test_TheFirstOfEqualScoresWins() public {
        IOnchain.Model memory model;
        model.layers = new IOnchain.Layer[](1);
        model.layers[0] = IOnchain.Layer(1, 4, 0, hex"01050505", new bytes(16));
        int256[] memory expected = new int256[](2);
        (expected[0], expected[1]) = (1, 0);
        vm.assertEq(verifier.run(verifier.storeModel(model), _features(2, 1, hex"0900")), abi.encode(expected));
    }

    function _features(uint32 rows, uint32 inputs, bytes memory x) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (rows, inputs);
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, x));
    }

    function _randomLayer(uint8 inputs, uint8 outputs, uint32 divisor, bytes32 seed)
        private
        pure
        returns (IOnchain.Layer memory)
    {
        bytes memory bias;
        for (uint256 i; i < outputs; ++i) {
            seed = keccak256(abi.encode(seed));
            bias = abi.encodePacked(bias, int32(int256(uint256(seed) % 40_001)) - 20_000);
        }
        return IOnchain.Layer(inputs, outputs, divisor, _random(uint256(inputs) * outputs, seed), bias);
    }

    function _random(uint256 length, bytes32 seed) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i; i < length; ++i) {
            if (i % 32 == 0) seed = keccak256(abi.encode(seed));
            data[i] = seed[i % 32];
        }
    }

    function _plain(IOnchain.Layer memory layer, bytes memory x) private pure returns (int256[] memory sums) {
        sums = new int256[](layer.outputs);
        for (uint256 j; j < layer.outputs; ++j) {
            bytes memory b = layer.bias;
            sums[j] = int32(
                uint32(uint8(b[4 * j])) << 24 | uint32(uint8(b[4 * j + 1])) << 16 | uint32(uint8(b[4 * j + 2])) << 8
                    | uint8(b[4 * j + 3])
            );
            for (uint256 i; i < layer.inputs; ++i) {
                int256 weight = int8(uint8(layer.weights[i * layer.outputs + j]));
                sums[j] += weight * int256(uint256(uint8(x[i])));
            }
        }
    }

    // --- Verdicts

    function _digitsClaim() private returns (Claim memory c, bytes memory output, bytes memory proof) {
        bytes32 modelId = verifier.storeModel(_model("linear"));
        (bytes[] memory features, bytes[] memory results) = _cases("linear");
        output = results[3];
        c = _claim(output, abi.encode(modelId));
        c.featuresHash = keccak256(features[3]);
        proof = abi.encode(modelId, features[3]);
    }

    function test_TheRightOutputIsValidAndAnyOtherIsNot() public {
        (Claim memory c, bytes memory output, bytes memory proof) = _digitsClaim();
        _assertVerdict(verifier, c, output, proof, Verdict.Valid);
        vm.assertEq(verifier.payees(c, output, proof).length, 0);
        for (int256 label; label < 10; ++label) {
            int256[] memory other = new int256[](1);
            other[0] = label;
            output = abi.encode(other);
            c.outputHash = keccak256(output);
            _assertVerdict(verifier, c, output, proof, label == 4 ? Verdict.Valid : Verdict.Invalid);
        }
        vm.assertEq(uint256(verifier.settle(c, output, proof)), uint256(Verdict.Invalid));
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.onchain"));
        vm.assertFalse(verifier.comparesFeatures());
    }

    function test_RevertWhen_TheProofIsForOtherFeatures() public {
        (Claim memory c, bytes memory output,) = _digitsClaim();
        (bytes[] memory features, bytes[] memory results) = _cases("linear");
        bytes32 modelId = verifier.storeModel(_model("linear"));
        vm.assertEq(results[6], output); // another picture of the same digit
        vm.expectRevert(
            abi.encodeWithSelector(IOnchain.FeaturesMismatch.selector, keccak256(features[6]), c.featuresHash)
        );
        verifier.verify(c, output, abi.encode(modelId, features[6]));
    }

    /// @dev A model that always answers what the attacker wants.
    function test_RevertWhen_TheProofIsOfAnotherModel() public {
        (Claim memory c, bytes memory output,) = _digitsClaim();
        (bytes[] memory features,) = _cases("linear");
        bytes32 modelId = verifier.storeModel(_model("two_layers"));
        vm.expectRevert(abi.encodeWithSelector(IOnchain.ModelMismatch.selector, modelId, c.verifierParams));
        verifier.verify(c, output, abi.encode(modelId, features[3]));
    }

    function testFuzz_GarbageIsRefused(bytes calldata proof) public {
        (Claim memory c, bytes memory output,) = _digitsClaim();
        _assertRefused(verifier, c, output, proof);
    }

    function test_RevertWhen_TheFeaturesDoNotFitTheModel() public {
        bytes32 modelId = verifier.storeModel(_model("linear"));
        bytes[] memory bad = new bytes[](5);
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 63);
        bad[0] = abi.encode(Tensor(Dtype.UINT8, 0, shape, new bytes(63)));
        (shape[0], shape[1]) = (0, 64);
        bad[1] = abi.encode(Tensor(Dtype.UINT8, 0, shape, ""));
        (shape[0], shape[1]) = (1, 64);
        bad[2] = abi.encode(Tensor(Dtype.INT8, 0, shape, new bytes(64)));
        bad[3] = abi.encode(Tensor(Dtype.UINT8, 0, shape, new bytes(65)));
        bad[4] = abi.encode(Tensor(Dtype.UINT8, 0, new uint32[](1), new bytes(64)));
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(IOnchain.InvalidFeatures.selector);
            verifier.run(modelId, bad[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(IOnchain.ModelNotStored.selector, keccak256("none")));
        verifier.run(keccak256("none"), bad[0]);
    }

    // --- Storing

    function test_AModelIsStoredOnce() public {
        IOnchain.Model memory model = _model("linear");
        bytes32 modelId = verifier.storeModel(model);
        vm.assertEq(modelId, keccak256(abi.encode(model)));
        address data = verifier.dataOf(modelId);
        vm.prank(address(0xBAD));
        vm.assertEq(verifier.storeModel(model), modelId);
        vm.assertEq(verifier.dataOf(modelId), data);
    }

    function test_RevertWhen_AModelMakesNoSense() public {
        IOnchain.Model memory model;
        vm.expectRevert(abi.encodeWithSelector(IOnchain.InvalidDepth.selector, 0));
        verifier.storeModel(model);
        model.layers = new IOnchain.Layer[](5);
        vm.expectRevert(abi.encodeWithSelector(IOnchain.InvalidDepth.selector, 5));
        verifier.storeModel(model);

        model.layers = new IOnchain.Layer[](1);
        _expectBadLayer(model, IOnchain.Layer(0, 1, 0, "", new bytes(4)));
        _expectBadLayer(model, IOnchain.Layer(1, 0, 0, "", ""));
        _expectBadLayer(model, IOnchain.Layer(4_097, 1, 0, new bytes(4_097), new bytes(4)));
        _expectBadLayer(model, IOnchain.Layer(2, 1, 0, new bytes(3), new bytes(4)));
        _expectBadLayer(model, IOnchain.Layer(2, 1, 0, new bytes(2), new bytes(8)));
        _expectBadLayer(model, IOnchain.Layer(1, 1, 0, new bytes(1), hex"40000001"));
        _expectBadLayer(model, IOnchain.Layer(1, 1, 0, new bytes(1), hex"bfffffff"));
        _expectBadLayer(model, IOnchain.Layer(1, 1, 7, new bytes(1), new bytes(4)));

        IOnchain.Layer memory fine = IOnchain.Layer(1, 1, 0, new bytes(1), new bytes(4));
        model.layers = new IOnchain.Layer[](2);
        model.layers[1] = fine;
        _expectBadLayer(model, fine); // no divisor between
        _expectBadLayer(model, IOnchain.Layer(1, 2, 1, new bytes(2), new bytes(8))); // 2 do not fit 1
        _expectBadLayer(model, IOnchain.Layer(1, 1, 1 << 31, new bytes(1), new bytes(4)));

        model.layers = new IOnchain.Layer[](1);
        model.layers[0] = IOnchain.Layer(4_000, 7, 0, new bytes(28_000), new bytes(28));
        vm.expectRevert(abi.encodeWithSelector(IOnchain.ModelTooLarge.selector, abi.encode(model).length));
        verifier.storeModel(model);
    }

    function _expectBadLayer(IOnchain.Model memory model, IOnchain.Layer memory layer) private {
        model.layers[0] = layer;
        vm.expectRevert(abi.encodeWithSelector(IOnchain.InvalidLayer.selector, 0));
        verifier.storeModel(model);
    }

    function test_TakesNoFee() public {
        bytes memory params = abi.encode(verifier.storeModel(_model("linear")));
        _assertTakesNoFee(verifier, _terms(address(verifier), params), params);
    }

    function test_TermsMakeSense() public {
        Subscription memory s = _terms(address(verifier), "");
        bytes32 modelId = keccak256("none");
        vm.expectRevert(abi.encodeWithSelector(IOnchain.ModelNotStored.selector, modelId));
        verifier.checkTerms(s, abi.encode(modelId));
        vm.expectRevert(abi.encodeWithSelector(IOnchain.InvalidParams.selector, hex""));
        verifier.checkTerms(s, "");
        verifier.checkTerms(s, abi.encode(verifier.storeModel(_model("linear"))));
    }

    // --- Gas

    function test_GasOfTheLinearModel() public {
        (Claim memory c, bytes memory output, bytes memory proof) = _digitsClaim();
        vm.cool(address(verifier));
        verifier.verify(c, output, proof);
        vm.snapshotGasLastCall("verify, 64 x 10");
    }

    function test_GasOfTheTwoLayerModel() public {
        bytes32 modelId = verifier.storeModel(_model("two_layers"));
        (bytes[] memory features,) = _cases("two_layers");
        vm.cool(address(verifier));
        verifier.run(modelId, features[0]);
        vm.snapshotGasLastCall("run, 64 x 24 x 10");
    }
}
