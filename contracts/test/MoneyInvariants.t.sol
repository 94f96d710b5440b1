// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {Answer, DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Oracle, ReentrantToken, TaxToken, Token} from "./Mocks.sol";
import {Puppet} from "./Puppet.sol";

/// @dev Everyone who can have money, and every entry point that can move it. Consumers burn gas, revert and ask again
/// in their callbacks, one token takes a tax and one calls back, the verifier changes its mind and misbehaves.
/// The books are kept from which calls succeeded, and from nothing that the ledger says of locks.
contract MoneyHandler is Base {
    struct Known {
        Subscription terms;
        uint32 id;
        /// How many answers' fees are locked for deliveries to come.
        uint256 funded;
        uint32 interval;
        uint256 delivered;
        bool paused;
        bool cancelled;
        bool ended;
    }

    struct Waiting {
        uint256 known;
        Answer answer;
        bool settled;
    }

    uint256 private constant ACCOUNTS = 9;
    uint16 private constant PROTOCOL_BPS = 123;
    address private constant CREATOR = address(0xC4EA);
    address private constant PAYER = address(0x9A7E4);

    address[ACCOUNTS] private accounts;
    address[3] private tokens;
    Oracle private oracle;
    Known[] private known;
    Waiting[] private waiting;
    DelegateRequest[] private signed;
    uint32 private nextNonce;
    Subscription private scripted;

    // What may never happen. Each stays at zero.
    uint256 public fellWithoutReason;
    uint256 public paymentsThatAreNotTheFee;
    uint256 public tooManyAnswers;
    uint256 public endedTwice;
    uint256 public settledTwice;
    uint256 public wrongRefunds;

    // How much happened.
    uint256 public deliveries;
    uint256 public settlements;
    uint256 public expiries;
    uint256 public pauses;
    uint256 public resumes;

    function setUp() public override {
        super.setUp();
        coordinator = _deployWith(PROTOCOL_BPS, PROTOCOL);
        puppet = _puppet();
        oracle = Oracle(vm.deployCode("Mocks.sol:Oracle"));
        tokens = [address(0), vm.deployCode("Mocks.sol:TaxToken"), vm.deployCode("Mocks.sol:ReentrantToken")];
        accounts = [
            address(puppet),
            address(_puppet()),
            PAYER,
            address(oracle),
            CREATOR,
            PROTOCOL,
            address(0x1000),
            address(0x1001),
            address(0x1002)
        ];
        ReentrantToken(tokens[2])
            .setScript(address(coordinator), abi.encodeCall(coordinator.withdraw, (PAYER, tokens[2], 1)));
        for (uint256 i; i < ACCOUNTS; ++i) {
            for (uint256 t = 1; t < 3; ++t) {
                Token(tokens[t]).mint(accounts[i], type(uint128).max);
                vm.prank(accounts[i]);
                Token(tokens[t]).approve(address(coordinator), FOREVER);
            }
        }
    }

    /// @dev Makes something happen in a walk that is too short to be lucky.
    function start() external {
        for (uint256 i; i < 3; ++i) {
            for (uint256 t; t < 3; ++t) {
                this.deposit(i, i, t, 2e9);
            }
        }
        for (uint256 t; t < 3; ++t) {
            for (uint256 i; i < 2; ++i) {
                this.allow(i, t, 2);
            }
        }
        for (uint256 i; i < 6; ++i) {
            this.create(uint256(keccak256(abi.encode(i))), 3e8);
        }
    }

    // --- Money in and out

    function deposit(uint256 from, uint256 to, uint256 token, uint64 amount) external {
        amount %= 4e9;
        address sender = accounts[from % ACCOUNTS];
        uint256[2][ACCOUNTS] memory before = _sums(token);
        uint256 value = token % 3 == 0 ? amount : 0;
        vm.deal(sender, value);
        vm.prank(sender);
        uint256 credited = coordinator.deposit{value: value}(accounts[to % ACCOUNTS], tokens[token % 3], amount);
        _audit(token, before, ACCOUNTS, 0, credited);
    }

    function withdraw(uint256 who, uint256 token, uint64 amount) external {
        who %= ACCOUNTS;
        amount %= 2e9;
        uint256[2][ACCOUNTS] memory before = _sums(token);
        vm.prank(accounts[who]);
        try coordinator.withdraw(address(0xCA5), tokens[token % 3], amount) {
            _audit(token, before, who, amount, 0);
        } catch {}
    }

    function allow(uint256 who, uint256 token, uint128 amount) external {
        vm.prank(PAYER);
        coordinator.allow(accounts[who % 2], tokens[token % 3], amount % 2 == 0 ? type(uint128).max : amount % 3e9);
    }

    // --- Subscriptions

    function create(uint256 seed, uint64 fee) external {
        Subscription memory s = _someTerms(seed, fee);
        uint256[2][ACCOUNTS] memory before = _sums(_tokenOf(s));
        vm.prank(s.owner);
        try coordinator.createSubscription(s, CONTAINER, FEATURES) returns (uint32 id) {
            _know(s, id);
        } catch {}
        _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
    }

    function sign(uint256 seed, uint64 fee) external {
        signed.push(_request(nextNonce++, _someTerms(seed, fee)));
    }

    function deliverDelegate(uint256 which, uint256 node, uint256 how) external {
        if (signed.length == 0) return;
        DelegateRequest memory r = signed[_recent(which, signed.length)];
        Subscription memory s = r.subscription;
        uint256 place = _find(s, uint32(1) << 31 | r.nonce);
        uint32 interval = coordinator.getSubscriptionInterval(s.activeAt, s.period);
        uint256[2][ACCOUNTS] memory before = _sums(_tokenOf(s));
        uint32 lastId = coordinator.lastId();
        address by = accounts[6 + node % 3];
        if (how % 4 == 0) {
            try coordinator.createSubscriptionDelegate(r.nonce, r.expiry, s, r.container, r.features, r.signature) {
                if (place == known.length) _know(s, uint32(1) << 31 | r.nonce);
            } catch {}
            _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
            return;
        }
        _noteAllowance(s, place == known.length);
        vm.prank(by);
        try coordinator.deliverModelOutputDelegate{gas: 20_000_000}(r, interval, OUTPUT, PROOF) {
            if (place == known.length) _know(s, uint32(1) << 31 | r.nonce);
            _bookDelivery(place, interval, by, before, lastId);
        } catch {
            _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
        }
    }

    function deliver(uint256 which, uint256 node, uint256 how) external {
        if (known.length == 0) return;
        which = _recent(which, known.length);
        bool batched = how % 4 == 0;
        Subscription memory s = known[which].terms;
        uint32 interval = coordinator.getSubscriptionInterval(s.activeAt, s.period);
        bytes memory data =
            abi.encodeCall(coordinator.deliverModelOutput, (known[which].id, interval, s, OUTPUT, PROOF));
        if (batched) {
            bytes[] memory items = new bytes[](2);
            (items[0], items[1]) = (data, data); // the second is one too many, or not
            items[1] = abi.encodePacked(coordinator.deliverModelOutput.selector);
            data = abi.encodeCall(coordinator.deliverModelOutputs, (items));
        }
        address by = accounts[6 + node % 3];
        uint256[2][ACCOUNTS] memory before = _sums(_tokenOf(s));
        uint32 lastId = coordinator.lastId();
        uint256 callsBefore = _answersOf(which);
        _noteAllowance(s, false);
        vm.prank(by);
        (bool ok,) = address(coordinator).call{gas: 20_000_000}(data);
        // A batch succeeds though its item fails: whether it did not is seen by what it changed.
        if (ok && (!batched || _changed(which, interval, callsBefore))) {
            _bookDelivery(which, interval, by, before, lastId);
        } else {
            _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
        }
    }

    function settle(uint256 which) external {
        if (waiting.length == 0) return;
        Waiting storage w = waiting[_recent(which, waiting.length)];
        Known storage k = known[w.known];
        Subscription memory s = k.terms;
        uint256[2][ACCOUNTS] memory before = _sums(_tokenOf(s));
        uint32 lastId = coordinator.lastId();
        try coordinator.settle{gas: 20_000_000}(w.answer, s, OUTPUT, PROOF) {
            if (w.settled) ++settledTwice;
            w.settled = true;
            ++settlements;
            bool valid = oracle.verdict() == Verdict.Valid && oracle.mood() == Oracle.Mood.Answer
                && oracle.payeesMood() == Oracle.Mood.Answer;
            _auditPayment(s, before, valid);
            _knowScripted(lastId);
        } catch {
            _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
        }
    }

    function expire(uint256 which) external {
        if (known.length == 0) return;
        Known storage k = known[_pick(which, false)];
        Subscription memory s = k.terms;
        uint256 token = _tokenOf(s);
        uint256[2][ACCOUNTS] memory before = _sums(token);
        (uint128 freeBefore,) = coordinator.balanceOf(_payer(s), s.token);
        try coordinator.expire(k.id, s) {
            (uint128 freeAfter,) = coordinator.balanceOf(_payer(s), s.token);
            if (freeAfter - freeBefore != k.funded * s.fee) ++wrongRefunds;
            _end(k);
            k.funded = 0;
            ++expiries;
        } catch {}
        _audit(token, before, ACCOUNTS, 0, 0);
    }

    function fund(uint256 which) external {
        if (known.length == 0) return;
        Known storage k = known[_pick(which, true)];
        Subscription memory s = k.terms;
        uint256 token = _tokenOf(s);
        if (k.paused && which % 4 != 0) this.deposit(2, _indexOf(_payer(s)), token, uint64(s.fee) * 4);
        uint256[2][ACCOUNTS] memory before = _sums(token);
        try coordinator.fund(k.id, s) {
            if (!k.paused || k.cancelled) ++fellWithoutReason;
            (k.funded, k.paused) = (s.redundancy, false);
            ++resumes;
        } catch {}
        _audit(token, before, ACCOUNTS, 0, 0);
    }

    function cancel(uint256 which, uint256 how) external {
        if (known.length == 0) return;
        bool asPayer = how % 2 == 0;
        Known storage k = known[_recent(which, known.length)];
        Subscription memory s = k.terms;
        uint256[2][ACCOUNTS] memory before = _sums(_tokenOf(s));
        bytes memory data = asPayer
            ? abi.encodeCall(coordinator.cancelSubscriptionAsPayer, (k.id, s))
            : abi.encodeCall(coordinator.cancelSubscription, (k.id));
        vm.prank(asPayer ? _payer(s) : s.owner);
        (bool ok,) = address(coordinator).call(data);
        if (ok) {
            if (s.fee == 0) _end(k);
            k.cancelled = true;
        }
        _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
    }

    // --- Moods

    function wait(uint16 time) external {
        vm.warp(block.timestamp + (time % 8 == 0 ? 200 : time % 30));
    }

    function setMood(uint256 who, uint256 mood, uint256 seed, uint64 fee) external {
        Puppet p = Puppet(accounts[who % 2]);
        if (mood % 6 < 2) {
            // It will ask a paid question of its own in its next callback.
            scripted = _someTerms(seed & ~uint256(1) | who % 2, fee);
            p.setScript(
                abi.encodeWithSignature(
                    "createSubscription((address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40),string,bytes)",
                    scripted,
                    CONTAINER,
                    FEATURES
                )
            );
            Puppet(accounts[1 - who % 2]).setMood(Puppet.Mood.Store);
        } else {
            Puppet.Mood[4] memory moods =
                [Puppet.Mood.Store, Puppet.Mood.Store, Puppet.Mood.Revert, Puppet.Mood.BurnGas];
            p.setMood(moods[mood % 6 - 2]);
        }
    }

    function setOracle(uint256 verdict, uint256 mood, uint256 payees, uint16 time) external {
        Verdict[5] memory verdicts = [Verdict.Valid, Verdict.Valid, Verdict.Pending, Verdict.Pending, Verdict.Invalid];
        oracle.set(verdicts[verdict % 5], block.timestamp + 1 + time % 100);
        oracle.setMood(mood % 6 == 0 ? Oracle.Mood(mood % 7) : Oracle.Mood.Answer);
        oracle.setPayeesMood(payees % 9 == 0 ? Oracle.Mood(payees % 7) : Oracle.Mood.Answer);
        address[] memory list = new address[](payees % 4);
        for (uint256 i; i < list.length; ++i) {
            list[i] = accounts[6 + i];
        }
        oracle.setPayees(list);
    }

    // --- Books

    function _know(Subscription memory s, uint32 id) private {
        known.push(Known(s, id, s.fee == 0 ? 0 : s.redundancy, 0, 0, false, false, false));
    }

    function _end(Known storage k) private {
        if (k.ended) ++endedTwice;
        k.ended = true;
    }

    /// @dev `before` was taken before the delivery. A callback may have asked a question of its own: that only moved
    /// money within an account, which is booked after.
    function _bookDelivery(
        uint256 which,
        uint32 interval,
        address by,
        uint256[2][ACCOUNTS] memory before,
        uint32 lastId
    ) private {
        Known storage k = known[which];
        Subscription memory s = k.terms;
        ++deliveries;
        if (k.interval != interval) (k.interval, k.delivered) = (interval, 0);
        if (++k.delivered > s.redundancy || k.ended) ++tooManyAnswers;
        bool last = interval == s.frequency && k.delivered == s.redundancy;
        if (s.fee != 0) _bookTopUp(k, s, before);
        if (last) _end(k);

        bool pending = s.verifier != address(0) && oracle.verdict() == Verdict.Pending;
        if (pending) {
            Answer memory a =
                Answer(k.id, interval, uint16(k.delivered), by, uint40(oracle.pendingUntil()), keccak256(FEATURES));
            waiting.push(Waiting(which, a, false));
            _audit(_tokenOf(s), before, ACCOUNTS, 0, 0);
        } else {
            _auditPayment(s, before, true);
        }
        _knowScripted(lastId);
    }

    function _bookTopUp(Known storage k, Subscription memory s, uint256[2][ACCOUNTS] memory before) private {
        bool stays = s.frequency > 1 && !k.cancelled && !k.paused && k.interval != s.frequency;
        if (stays && before[_indexOf(_payer(s))][1] >= justLocked + s.fee && _allowed(s)) return;
        if (stays) {
            k.paused = true;
            ++pauses;
        }
        --k.funded;
    }

    /// @dev What the payer's allowance was before the delivery, and what the delivery locked first by creating.
    uint256 private allowedBefore;
    uint256 private justLocked;

    function _noteAllowance(Subscription memory s, bool creates) private {
        allowedBefore = coordinator.allowance(_payer(s), s.owner, s.token);
        justLocked = creates ? uint256(s.fee) * s.redundancy : 0;
    }

    function _allowed(Subscription memory s) private view returns (bool) {
        if (s.payer == address(0) || allowedBefore == type(uint128).max) return true;
        return allowedBefore >= justLocked + s.fee;
    }

    function _knowScripted(uint32 lastId) private {
        uint32 now_ = coordinator.lastId();
        if (now_ == lastId) return;
        _know(scripted, now_);
    }

    // --- What is looked at after every call

    /// @dev Per account: all it has, and what of it is free.
    function _sums(uint256 token) private view returns (uint256[2][ACCOUNTS] memory sums) {
        for (uint256 i; i < ACCOUNTS; ++i) {
            (uint128 free, uint128 locked) = coordinator.balanceOf(accounts[i], tokens[token % 3]);
            sums[i] = [uint256(free) + locked, free];
        }
    }

    /// @dev Only `who` has less, by `less`; together they have `more`.
    function _audit(uint256 token, uint256[2][ACCOUNTS] memory before, uint256 who, uint256 less, uint256 more)
        private
    {
        uint256[2][ACCOUNTS] memory now_ = _sums(token);
        uint256 sumBefore;
        uint256 sum;
        for (uint256 i; i < ACCOUNTS; ++i) {
            (sumBefore, sum) = (sumBefore + before[i][0], sum + now_[i][0]);
            if (i == who ? now_[i][0] + less != before[i][0] : now_[i][0] < before[i][0]) ++fellWithoutReason;
        }
        if (sum + less != sumBefore + more) ++paymentsThatAreNotTheFee;
    }

    /// @dev The payer has exactly the fee less, but for what it earns itself, and together they have the same.
    function _auditPayment(Subscription memory s, uint256[2][ACCOUNTS] memory before, bool paid) private {
        uint256[2][ACCOUNTS] memory now_ = _sums(_tokenOf(s));
        uint256 payer = _indexOf(_payer(s));
        uint256 sumBefore;
        uint256 sum;
        uint256 earned;
        for (uint256 i; i < ACCOUNTS; ++i) {
            (sumBefore, sum) = (sumBefore + before[i][0], sum + now_[i][0]);
            if (i == payer) continue;
            if (now_[i][0] < before[i][0]) ++fellWithoutReason;
            else earned += now_[i][0] - before[i][0];
        }
        if (sum != sumBefore || earned != (paid ? s.fee : 0)) ++paymentsThatAreNotTheFee;
        if (before[payer][0] - now_[payer][0] != (paid ? s.fee : 0)) ++fellWithoutReason;
    }

    /// @dev The ledger agrees with the books: once per call of an invariant.
    function ledgerIsSound() external view returns (bool) {
        for (uint256 t; t < 3; ++t) {
            uint256 sum;
            for (uint256 i; i < ACCOUNTS; ++i) {
                (uint128 free, uint128 locked) = coordinator.balanceOf(accounts[i], tokens[t]);
                sum += uint256(free) + locked;
                if (locked != _expectedLock(accounts[i], tokens[t])) return false;
            }
            uint256 holdings = t == 0 ? address(coordinator).balance : IERC20(tokens[t]).balanceOf(address(coordinator));
            if (coordinator.totalOf(tokens[t]) != sum || sum > holdings) return false;
        }
        return true;
    }

    function _expectedLock(address account, address token) private view returns (uint256 sum) {
        for (uint256 i; i < known.length; ++i) {
            Subscription storage s = known[i].terms;
            address payer = s.payer == address(0) ? s.owner : s.payer;
            if (payer == account && s.token == token) sum += known[i].funded * s.fee;
        }
        for (uint256 i; i < waiting.length; ++i) {
            Subscription storage s = known[waiting[i].known].terms;
            address payer = s.payer == address(0) ? s.owner : s.payer;
            if (!waiting[i].settled && payer == account && s.token == token) sum += s.fee;
        }
    }

    function wordsAreSound() external view returns (bool) {
        for (uint256 i; i < known.length; ++i) {
            if ((_word(known[i].terms.owner, known[i].id) == 0) != known[i].ended) return false;
        }
        return true;
    }

    // --- Choices

    function _someTerms(uint256 seed, uint64 fee) private view returns (Subscription memory s) {
        s = _terms();
        s.owner = accounts[seed % 2];
        s.maxGasLimit = overhead + 300_000;
        s.redundancy = uint16((seed >> 8) % 3 + 1);
        s.fee = (seed >> 16) % 8 == 0 ? 0 : uint128(fee) % 1e9 + 1000;
        if ((seed >> 24) % 2 == 0) {
            (s.frequency, s.period) = ((seed >> 32) % 4 == 0 ? FOREVER : (seed >> 32) % 4 + 1, 60);
            if ((seed >> 104) % 2 == 0) s.activeAt -= 30;
        } else if (s.fee != 0) {
            s.deadline = uint40(block.timestamp + (seed >> 40) % 500);
        }
        if ((seed >> 48) % 3 == 0) s.mode = 16;
        if ((seed >> 56) % 2 == 0) s.verifier = address(oracle);
        if (s.fee != 0) {
            s.token = tokens[(seed >> 64) % 3];
            if ((seed >> 72) % 3 == 0) s.payer = PAYER;
            if (s.verifier != address(0)) s.verifierFee = uint96((seed >> 80) % 500);
            if ((seed >> 88) % 2 == 0) (s.royaltyTo, s.royaltyBps) = (CREATOR, uint16((seed >> 96) % 4000 + 1));
        }
    }

    /// @dev One of the last few: older ones are mostly over.
    function _recent(uint256 which, uint256 length) private pure returns (uint256) {
        return length - 1 - which % (length < 12 ? length : 12);
    }

    /// @dev One that is not over, and paused where asked for, if there is one.
    function _pick(uint256 which, bool paused) private view returns (uint256 i) {
        for (uint256 n; n < known.length; ++n) {
            i = (which % known.length + n) % known.length;
            if (!known[i].ended && (known[i].paused || !paused)) return i;
        }
    }

    function _tokenOf(Subscription memory s) private view returns (uint256) {
        for (uint256 t; t < 3; ++t) {
            if (tokens[t] == s.token) return t;
        }
        revert("unknown token");
    }

    function _payer(Subscription memory s) private pure returns (address) {
        return s.payer == address(0) ? s.owner : s.payer;
    }

    function _indexOf(address account) private view returns (uint256 i) {
        while (accounts[i] != account) ++i;
    }

    function _answersOf(uint256 which) private view returns (uint256) {
        (bytes32 word, uint32 interval, uint16 delivered) =
            coordinator.getSubscription(known[which].terms.owner, known[which].id);
        return uint256(keccak256(abi.encode(word, interval, delivered)));
    }

    function _changed(uint256 which, uint32, uint256 answersBefore) private view returns (bool) {
        return _answersOf(which) != answersBefore;
    }

    function _find(Subscription memory s, uint32 id) private view returns (uint256 i) {
        for (; i < known.length; ++i) {
            if (known[i].id == id && known[i].terms.owner == s.owner) return i;
        }
    }
}

/// @dev Whatever consumers, payers, nodes, verifiers and tokens do, in whatever order:
/// 1. the total of each token is the sum of all balances, free and locked, and never more than what the contract holds;
/// 2. what is locked is what is promised for answers to come, and for those that wait for their verifier;
/// 3. nobody has less without a delivery, a settlement or a withdrawal, and then by exactly that;
/// 4. the payments of a delivery are its fee;
/// 5. an interval has at most `redundancy` deliveries;
/// 6. a subscription ends once, a pending answer is settled once, and a refund is what was locked.
contract MoneyInvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    MoneyHandler private handler;

    function setUp() public override {
        handler = new MoneyHandler();
        handler.setUp();
        handler.start();
    }

    /// @dev The handler reaches what it is meant to: a long walk pays, pauses, settles, expires.
    function test_TheHandlerDoesSomething() public {
        bytes4[] memory selectors = targetSelectors()[0].selectors;
        for (uint256 i; i < 1200; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("walk", i)));
            bytes4 selector = selectors[(seed >> 200) % selectors.length];
            uint256 first = selector == MoneyHandler.wait.selector ? uint16(seed) : seed;
            bytes memory arguments = abi.encode(first, uint32(seed >> 16), uint32(seed >> 64), uint16(seed >> 128));
            (bool ok,) = address(handler).call(abi.encodePacked(selector, arguments));
            vm.assertTrue(ok);
        }
        vm.assertTrue(handler.ledgerIsSound());
        vm.assertTrue(handler.wordsAreSound());
        vm.assertGt(handler.deliveries(), 50);
        vm.assertGt(handler.settlements(), 5);
        vm.assertGt(handler.expiries(), 10);
        vm.assertGt(handler.pauses(), 2);
        vm.assertGt(handler.resumes(), 2);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](20);
        selectors[0] = MoneyHandler.deposit.selector;
        selectors[1] = MoneyHandler.withdraw.selector;
        selectors[2] = MoneyHandler.allow.selector;
        selectors[3] = MoneyHandler.create.selector;
        selectors[4] = MoneyHandler.sign.selector;
        selectors[5] = MoneyHandler.deliverDelegate.selector;
        selectors[6] = MoneyHandler.deliver.selector;
        selectors[7] = MoneyHandler.settle.selector;
        selectors[8] = MoneyHandler.expire.selector;
        selectors[9] = MoneyHandler.fund.selector;
        selectors[10] = MoneyHandler.cancel.selector;
        selectors[11] = MoneyHandler.wait.selector;
        selectors[12] = MoneyHandler.setMood.selector;
        selectors[13] = MoneyHandler.setOracle.selector;
        selectors[14] = MoneyHandler.deposit.selector; // more often than the rest
        selectors[15] = MoneyHandler.create.selector;
        selectors[16] = MoneyHandler.deliver.selector;
        selectors[17] = MoneyHandler.deliver.selector;
        selectors[18] = MoneyHandler.settle.selector;
        selectors[19] = MoneyHandler.create.selector;
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev All six at once: forge makes all the calls anew for each function.
    function invariant_TheBooksAreSound() public view {
        vm.assertTrue(handler.ledgerIsSound(), "totals, or what is locked");
        vm.assertEq(handler.fellWithoutReason(), 0, "somebody lost without reason");
        vm.assertEq(handler.paymentsThatAreNotTheFee(), 0, "a payment is not the fee");
        vm.assertEq(handler.wrongRefunds(), 0, "a refund is not what was locked");
        vm.assertEq(handler.tooManyAnswers(), 0, "an interval has too many answers");
        vm.assertEq(handler.endedTwice(), 0, "a subscription ended twice");
        vm.assertEq(handler.settledTwice(), 0, "an answer was settled twice");
        vm.assertTrue(handler.wordsAreSound(), "an ended subscription has a word, or another has none");
    }
}
