// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";
import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {SubscriptionConsumer} from "../consumer/SubscriptionConsumer.sol";
import {Tensors} from "../Tensor.sol";

/// @title VolatilityFeed
/// @notice Measures how much a price swings, has a model forecast next week's swing every week, and asks margins by it.
/// @dev A swing is one standard deviation of a week's return, with 6 decimal places: 20_000 is 2 %. What the model learns
/// from in examples/workflows/volatility.py is what `measured` says.
contract VolatilityFeed is SubscriptionConsumer {
    /// @dev Averages in which each day counts for less than the day after it, with 18 decimal places.
    struct Averages {
        /// Of squared daily returns: about the last week's, about the last month's.
        int64 week;
        int64 month;
        /// Of daily returns: about the last week's.
        int64 trend;
        uint40 pricedAt;
        uint24 returnCount;
    }

    struct Forecast {
        uint128 swing;
        uint40 deliveredAt;
    }

    event Started(uint32 indexed id, uint32 period, uint256 frequency);
    event Forecasted(uint32 indexed interval, address indexed node, uint256 swing);

    error NotOwner(address sender);
    error NoPrice();
    error PriceJumped(uint256 from, uint256 to);
    error TooFewPrices(uint256 returnCount);
    error StalePrices(uint40 pricedAt);
    error Implausible(int256 forecast, uint256 measured);
    error AlreadyStarted(uint32 id);

    /// @notice What the last day weighs in an average of a week and of a month, in percent.
    int256 public constant WEEK_WEIGHT = 20;
    int256 public constant MONTH_WEIGHT = 6;

    /// @notice Daily returns before the averages have forgotten the first one.
    uint256 public constant WARM_UP = 60;

    /// @notice A forecast is refused beyond so many times, or below that part of, what the month has shown.
    uint256 public constant PLAUSIBLE = 4;

    /// @notice Standard deviations of a week's return that a margin covers.
    uint256 public constant DEVIATIONS = 3;

    uint48 public constant MAX_GAS_PRICE = 1_000 gwei;
    uint32 public constant CALLBACK_GAS = 150_000;
    uint256 private constant ONE = 1e18;
    uint256 private constant SWING_ONE = 1e6;
    uint256 private constant DAYS = 5;

    /// @notice Who gives the prices.
    address public immutable OWNER;

    string public CONTAINER;

    /// @notice The running subscription; 0 = none.
    uint32 public subscriptionId;

    /// @notice Seconds of an interval.
    uint32 public period;

    uint256 public lastPrice;
    Forecast public latest;

    /// @notice Forecasts by interval.
    mapping(uint32 id => mapping(uint32 interval => uint256 swing)) public forecasts;

    Averages private _averages;

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        _;
    }

    constructor(address coordinator, string memory container) BaseConsumer(coordinator) {
        (OWNER, CONTAINER) = (msg.sender, container);
    }

    /// @notice Takes the closing prices of the days since the last call, in any one unit.
    /// @dev What halves or doubles within a day is taken for a mistake.
    function addPrices(uint256[] calldata prices) external onlyOwner {
        if (prices.length == 0) revert NoPrice();
        Averages memory averages = _averages;
        uint256 last = lastPrice;
        for (uint256 i; i < prices.length; ++i) {
            if (prices[i] == 0) revert NoPrice();
            if (last != 0) _addReturn(averages, _computeReturn(last, prices[i]));
            last = prices[i];
        }
        averages.pricedAt = uint40(block.timestamp);
        (_averages, lastPrice) = (averages, last);
    }

    /// @param period_ Seconds of an interval: a week, and less where it is tried out.
    /// @param frequency Number of intervals.
    function start(uint32 period_, uint256 frequency) external onlyOwner returns (uint32 id) {
        if (subscriptionId != 0) revert AlreadyStarted(subscriptionId);
        if (_averages.returnCount < WARM_UP) revert TooFewPrices(_averages.returnCount);
        uint32 maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        id = _createModelOutputSubscription(CONTAINER, MAX_GAS_PRICE, maxGasLimit, frequency, period_, 1);
        (subscriptionId, period) = (id, period_);
        emit Started(id, period_, frequency);
    }

    function stop() external onlyOwner {
        uint32 id = subscriptionId;
        subscriptionId = 0;
        _cancelModelOutputSubscription(id);
    }

    /// @notice The margin for a position of that worth: all of it where no forecast is younger than two intervals.
    function quoteMargin(uint256 worth) external view returns (uint256) {
        if (block.timestamp > latest.deliveredAt + 2 * uint256(period)) return worth;
        return FixedPointMathLib.min(worth, worth * DEVIATIONS * latest.swing / SWING_ONE);
    }

    /// @notice What the prices have shown, with 6 decimal places.
    /// @return week The swing, mostly of the last week.
    /// @return month The swing, mostly of the last month.
    /// @return trend The average daily return, mostly of the last week.
    function measured() public view returns (uint256 week, uint256 month, int256 trend) {
        Averages memory averages = _averages;
        week = _toSwing(averages.week);
        month = _toSwing(averages.month);
        trend = averages.trend / int256(ONE / SWING_ONE);
    }

    /// @notice What was measured by now. Nothing where no price has come since the interval before.
    function getModelFeatures(uint32, uint32, uint32 timestamp, address) external view override returns (bytes memory) {
        uint40 pricedAt = _averages.pricedAt;
        if (pricedAt + uint256(period) < timestamp) revert StalePrices(pricedAt);
        int256[] memory features = new int256[](3);
        (uint256 week, uint256 month, int256 trend) = measured();
        (features[0], features[1], features[2]) = (int256(week), int256(month), trend);
        return Tensors.encodeInts(features);
    }

    function _receiveModelOutput(
        uint32 id,
        uint32 interval,
        uint16,
        address node,
        bytes calldata output,
        bytes calldata
    ) internal override {
        int256 forecast = Tensors.decodeInts(output)[0];
        (, uint256 month,) = measured();
        if (forecast < int256(month / PLAUSIBLE) || forecast > int256(month * PLAUSIBLE)) {
            revert Implausible(forecast, month);
        }
        uint256 swing = uint256(forecast);
        forecasts[id][interval] = swing;
        latest = Forecast(uint128(swing), uint40(block.timestamp));
        emit Forecasted(interval, node, swing);
    }

    function _computeReturn(uint256 from, uint256 to) private pure returns (int256) {
        uint256 ratio = to * ONE / from;
        if (ratio < ONE / 2 || ratio > 2 * ONE) revert PriceJumped(from, to);
        return int256(ratio) - int256(ONE);
    }

    function _addReturn(Averages memory averages, int256 value) private pure {
        int256 square = value * value / int256(ONE);
        bool isFirst = averages.returnCount++ == 0;
        averages.week = _smooth(averages.week, square, isFirst ? int256(100) : WEEK_WEIGHT);
        averages.month = _smooth(averages.month, square, isFirst ? int256(100) : MONTH_WEIGHT);
        averages.trend = _smooth(averages.trend, value, isFirst ? int256(100) : WEEK_WEIGHT);
    }

    /// @dev Returns are between -1/2 and 1, and averages with them: 64 bits hold both.
    function _smooth(int64 average, int256 value, int256 weight) private pure returns (int64) {
        return int64(average + (value - average) * weight / 100);
    }

    function _toSwing(int64 square) private pure returns (uint256) {
        return FixedPointMathLib.sqrt(DAYS * uint256(int256(square)) * SWING_ONE ** 2 / ONE);
    }
}
