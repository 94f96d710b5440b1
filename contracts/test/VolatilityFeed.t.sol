// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VolatilityFeed} from "../src/examples/VolatilityFeed.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {Subscription} from "../src/Subscription.sol";
import {Tensors} from "../src/Tensor.sol";
import {Base} from "./Base.sol";

/// @dev A contract that has the volatility of its prices forecast, week by week.
contract VolatilityFeedTest is Base {
    uint32 private constant PERIOD = 7 days;
    uint256 private constant PRICE = 2_500e8;
    uint256 private constant WORTH = 1_000_000e18;

    VolatilityFeed private feed;
    uint48 private maxGasPrice;
    uint32 private maxGasLimit;

    function setUp() public override {
        super.setUp();
        feed = VolatilityFeed(
            vm.deployCode("VolatilityFeed.sol:VolatilityFeed", abi.encode(address(coordinator), CONTAINER))
        );
        (maxGasPrice, maxGasLimit) = (feed.MAX_GAS_PRICE(), overhead + feed.CALLBACK_GAS());
    }

    function test_MeasuresASteadySwing() public {
        feed.addPrices(_zigzag(feed.WARM_UP() + 1, 100));
        (uint256 week, uint256 month,) = feed.measured();
        vm.assertEq(week, 22_360); // 1 % a day, times the root of 5
        vm.assertEq(month, week);
    }

    function testFuzz_PricesComeOneByOneOrAllAtOnce(uint256 steps, uint8 count) public {
        uint256[] memory prices = _walk(steps, count);
        VolatilityFeed other = VolatilityFeed(
            vm.deployCode("VolatilityFeed.sol:VolatilityFeed", abi.encode(address(coordinator), CONTAINER))
        );
        feed.addPrices(prices);
        for (uint256 i; i < prices.length; ++i) {
            other.addPrices(_one(prices[i]));
        }
        (uint256 week, uint256 month, int256 trend) = feed.measured();
        (uint256 otherWeek, uint256 otherMonth, int256 otherTrend) = other.measured();
        vm.assertEq(week, otherWeek);
        vm.assertEq(month, otherMonth);
        vm.assertEq(trend, otherTrend);
    }

    function testFuzz_AveragesStayWithinTheReturns(uint256 steps, uint8 count) public {
        feed.addPrices(_walk(steps, count));
        (uint256 week, uint256 month, int256 trend) = feed.measured();
        vm.assertLe(week, 2_236_067); // a price that doubles every day
        vm.assertLe(month, 2_236_067);
        vm.assertTrue(trend >= -500_000 && trend <= 1_000_000);
    }

    function test_KeepsTheForecastOfEachWeek() public {
        uint32 id = _start();
        for (uint32 interval = 1; interval <= 3; ++interval) {
            _warpTo(interval);
            vm.expectEmit(address(feed));
            emit VolatilityFeed.Forecasted(interval, NODE, 20_000 + interval);
            _answer(id, interval, int256(20_000 + uint256(interval)));
            vm.assertEq(feed.forecasts(id, interval), 20_000 + interval);
        }
        (uint128 swing, uint40 deliveredAt) = feed.latest();
        vm.assertEq(swing, 20_003);
        vm.assertEq(deliveredAt, block.timestamp);
    }

    function test_ShowsTheNodeWhatItMeasured() public {
        uint32 id = _start();
        (uint256 week, uint256 month, int256 trend) = feed.measured();
        int256[] memory features = Tensors.decodeInts(feed.getModelFeatures(id, 1, uint32(START + PERIOD), NODE));
        vm.assertEq(features.length, 3);
        vm.assertEq(features[0], int256(week));
        vm.assertEq(features[1], int256(month));
        vm.assertEq(features[2], trend);
    }

    function testFuzz_AMarginCoversThreeDeviations(uint256 swing, uint256 worth) public {
        uint32 id = _start();
        (, uint256 month,) = feed.measured();
        swing = month / 4 + swing % (month * 4 - month / 4);
        worth %= 2 ** 128;
        _warpTo(1);
        _answer(id, 1, int256(swing));
        vm.assertEq(feed.quoteMargin(worth), worth * swing * 3 / 1e6);
    }

    function test_AMarginIsNeverMoreThanTheWorth() public {
        feed.addPrices(_zigzag(feed.WARM_UP() + 1, 4_000)); // 40 % a day
        uint32 id = feed.start(PERIOD, 3);
        _warpTo(1);
        _answer(id, 1, 900_000);
        vm.assertEq(feed.quoteMargin(WORTH), WORTH);
    }

    function test_WithoutAFreshForecastAMarginIsTheWholeWorth() public {
        vm.assertEq(feed.quoteMargin(WORTH), WORTH);
        uint32 id = _start();
        vm.assertEq(feed.quoteMargin(WORTH), WORTH);
        _warpTo(1);
        _answer(id, 1, 20_000);
        vm.warp(block.timestamp + 2 * PERIOD);
        vm.assertEq(feed.quoteMargin(WORTH), WORTH * 6 / 100);
        vm.warp(block.timestamp + 1);
        vm.assertEq(feed.quoteMargin(WORTH), WORTH);
    }

    function testFuzz_RevertWhen_TheForecastIsImplausible(int256 forecast) public {
        uint32 id = _start();
        (, uint256 month,) = feed.measured();
        vm.assume(forecast < int256(month / 4) || forecast > int256(month * 4));
        _warpTo(1);
        bytes memory reason = abi.encodeWithSelector(VolatilityFeed.Implausible.selector, forecast, month);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, address(feed), id, reason));
        _answer(id, 1, forecast);
    }

    function test_RevertWhen_NoPriceHasComeForAnInterval() public {
        uint32 id = _start();
        feed.getModelFeatures(id, 1, uint32(START + PERIOD), NODE);
        vm.expectRevert(abi.encodeWithSelector(VolatilityFeed.StalePrices.selector, uint40(START)));
        feed.getModelFeatures(id, 1, uint32(START + PERIOD + 1), NODE);
    }

    function test_RevertWhen_APriceJumps() public {
        feed.addPrices(_one(PRICE));
        uint256[2] memory wrong = [PRICE / 2 - 1, PRICE * 2 + 1];
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(VolatilityFeed.PriceJumped.selector, PRICE, wrong[i]));
            feed.addPrices(_one(wrong[i]));
        }
        feed.addPrices(_one(PRICE * 2));
        feed.addPrices(_one(PRICE));
    }

    function test_RevertWhen_ThereIsNoPrice() public {
        vm.expectRevert(VolatilityFeed.NoPrice.selector);
        feed.addPrices(new uint256[](0));
        vm.expectRevert(VolatilityFeed.NoPrice.selector);
        feed.addPrices(new uint256[](1));
    }

    function test_RevertWhen_ThereAreTooFewPrices() public {
        feed.addPrices(_zigzag(feed.WARM_UP(), 100));
        vm.expectRevert(abi.encodeWithSelector(VolatilityFeed.TooFewPrices.selector, feed.WARM_UP() - 1));
        feed.start(PERIOD, 3);
    }

    function test_RevertWhen_ItRunsAlready() public {
        uint32 id = _start();
        vm.expectRevert(abi.encodeWithSelector(VolatilityFeed.AlreadyStarted.selector, id));
        feed.start(PERIOD, 3);
        feed.stop();
        vm.assertEq(feed.subscriptionId(), 0);
        vm.expectEmit(address(feed));
        emit VolatilityFeed.Started(id + 1, PERIOD, 3);
        vm.assertGt(feed.start(PERIOD, 3), id);
    }

    function testFuzz_RevertWhen_AStrangerCalls(address stranger) public {
        vm.assume(stranger != address(this));
        bytes memory refusal = abi.encodeWithSelector(VolatilityFeed.NotOwner.selector, stranger);
        vm.prank(stranger);
        vm.expectRevert(refusal);
        feed.addPrices(_one(PRICE));
        vm.prank(stranger);
        vm.expectRevert(refusal);
        feed.start(PERIOD, 3);
        vm.prank(stranger);
        vm.expectRevert(refusal);
        feed.stop();
    }

    function _start() private returns (uint32) {
        feed.addPrices(_zigzag(feed.WARM_UP() + 1, 100));
        return feed.start(PERIOD, 3);
    }

    /// @dev Up and down by so many basis points.
    function _zigzag(uint256 count, uint256 bps) private pure returns (uint256[] memory prices) {
        prices = new uint256[](count);
        prices[0] = PRICE;
        for (uint256 i = 1; i < count; ++i) {
            prices[i] = prices[i - 1] * (i % 2 == 1 ? 10_000 + bps : 10_000 - bps) / 10_000;
        }
    }

    /// @dev Anywhere between a half and the double, each day.
    function _walk(uint256 seed, uint8 count) private pure returns (uint256[] memory prices) {
        prices = new uint256[](uint256(count) % 40 + 1);
        prices[0] = 1e30;
        for (uint256 i = 1; i < prices.length; ++i) {
            uint256 ratio = 5_001 + uint256(keccak256(abi.encode(seed, i))) % 14_999;
            prices[i] = prices[i - 1] * ratio / 10_000;
        }
    }

    function _one(uint256 price) private pure returns (uint256[] memory prices) {
        prices = new uint256[](1);
        prices[0] = price;
    }

    function _warpTo(uint32 interval) private {
        vm.warp(START + uint256(interval) * PERIOD);
    }

    function _answer(uint32 id, uint32 interval, int256 forecast) private {
        int256[] memory values = new int256[](1);
        values[0] = forecast;
        Subscription memory s = _terms();
        (s.owner, s.featuresHash, s.mode) = (address(feed), bytes32(0), 1);
        (s.frequency, s.period, s.activeAt) = (3, PERIOD, uint40(START + PERIOD));
        (s.maxGasPrice, s.maxGasLimit) = (maxGasPrice, maxGasLimit);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, interval, s, Tensors.encodeInts(values), "");
    }
}
