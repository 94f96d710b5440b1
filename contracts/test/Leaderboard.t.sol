// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuorumConsumer} from "../src/consumer/QuorumConsumer.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Leaderboard} from "../src/market/Leaderboard.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";

/// @dev A market for better models: its phases, its money, and those who would cheat.
contract LeaderboardTest is Base {
    address private constant SPONSOR = address(0x5905);
    address private constant ANNA = address(0xA44A);
    address private constant BERT = address(0xBE27);
    bytes32 private constant SALT = keccak256("salt");
    bytes32 private constant TEST_SET = keccak256("test set");
    bytes32 private constant GOOD = keccak256("good model");
    bytes32 private constant BETTER = keccak256("better model");
    uint256 private constant PRIZE = 5 ether;
    uint128 private constant FEE = 0.01 ether;
    uint256 private constant COST = 3 * uint256(FEE);
    string private constant EVALUATOR = "evaluate";
    string private constant URI = "https://models.example/";
    string private constant SET_URI = "https://models.example/set";

    Leaderboard private board;
    uint256 private taskId;

    function setUp() public override {
        super.setUp();
        board = Leaderboard(payable(vm.deployCode("Leaderboard.sol:Leaderboard", abi.encode(address(coordinator)))));
        vm.deal(SPONSOR, PRIZE);
        vm.deal(ANNA, 1 ether);
        vm.deal(BERT, 1 ether);
        vm.prank(SPONSOR);
        models.claimNamespace("acme");
        vm.prank(SPONSOR);
        models.offerNamespace("acme", address(board));
        vm.prank(SPONSOR);
        taskId = board.create{value: PRIZE}(_task());
    }

    function _task() private pure returns (Leaderboard.Task memory t) {
        t.evaluator = EVALUATOR;
        (t.namespace, t.name) = ("acme", "wine");
        t.testSetCommitment = keccak256(abi.encode(TEST_SET, SALT));
        t.floor = 50;
        t.submitBy = uint40(START + 100);
        t.openBy = uint40(START + 200);
        t.revealBy = uint40(START + 300);
        t.endBy = uint40(START + 1_000);
        t.window = 100;
        (t.n, t.k, t.fee, t.maxGasPrice) = (3, 2, FEE, 100 gwei);
    }

    // --- The way of a task

    function test_TheBestIsPaidAndBecomesTheAliasTarget() public {
        (uint256 anna, uint256 bert) = _enterBoth();
        _reveal();
        _evaluate(anna, 70);
        _evaluate(bert, 80);
        board.finish(taskId);

        bytes32 version = keccak256(bytes(string.concat("acme/wine:", _hex(BETTER))));
        vm.assertEq(models.resolveAlias(keccak256("acme/wine@champion")), version);
        vm.assertEq(models.getVersion(version).manifestHash, BETTER);
        vm.assertEq(models.getVersion(version).royaltyTo, BERT);
        vm.assertEq(uint256(models.getVersion(version).royaltyBps), 500);
        vm.assertEq(board.owed(BERT), PRIZE);
        vm.assertEq(_free(NODE), 2 * uint256(FEE));
        vm.assertEq(_free(OTHER_NODE), 2 * uint256(FEE));
        _payOut(BERT, PRIZE);
        vm.prank(SPONSOR);
        models.acceptNamespace("acme");
        _endEvaluation(anna);
        _endEvaluation(bert);
        board.refund(taskId, anna);
        board.refund(taskId, bert);
        _payOut(ANNA, FEE); // the third node never came
        _payOut(BERT, FEE);
        _assertEmpty();
    }

    function test_TheFeaturesNameModelAndTestSet() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        Subscription memory s = _evaluationTerms(GOOD);
        vm.assertEq(board.evaluate(taskId, anna), 1);
        (bytes32 commitment,,) = coordinator.getSubscription(address(board), 1);
        vm.assertTrue(commitment != 0);
        _answer(NODE, 1, s, 70); // reverts unless these are the terms
    }

    function test_OfEqualScoresTheEarlierEntryWins() public {
        (uint256 anna, uint256 bert) = _enterBoth();
        _reveal();
        _evaluate(bert, 80);
        _evaluate(anna, 80);
        board.finish(taskId);
        vm.assertEq(board.owed(ANNA), PRIZE);
    }

    function test_BelowTheFloorNobodyWins() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        _evaluate(anna, 50);
        board.finish(taskId);
        vm.assertEq(board.owed(SPONSOR), PRIZE);
        vm.assertEq(models.resolveAlias(keccak256("acme/wine@champion")), bytes32(0));
    }

    function test_WithoutEntriesThePrizeComesBack() public {
        vm.warp(START + 201);
        _revealNow();
        board.finish(taskId);
        _payOut(SPONSOR, PRIZE);
        _assertEmpty();
    }

    function test_WhereNoEntryIsScoredThePrizeIsTheEntrants() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.EvaluationsMissing.selector, 1, 0));
        board.finish(taskId);
        vm.warp(START + 1_001);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.OutsidePhase.selector, START + 1_001, 0, START + 1_000));
        board.evaluate(taskId, anna);
        board.finish(taskId);
        board.refund(taskId, anna);
        board.refund(taskId, anna); // takes nothing more
        _payOut(ANNA, PRIZE + COST);
        _assertEmpty();
    }

    function test_ALateEvaluationIsNotWaitedFor() public {
        (uint256 anna, uint256 bert) = _enterBoth();
        _reveal();
        _evaluate(anna, 60);
        vm.warp(START + 1_001);
        board.finish(taskId);
        board.refund(taskId, bert);
        _payOut(ANNA, PRIZE);
        _payOut(BERT, COST);
    }

    // --- Evaluations that come to nothing

    function test_NodesThatDisagreeAreAskedAgain() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        uint32 id = board.evaluate(taskId, anna);
        Subscription memory s = _evaluationTerms(GOOD);
        _answer(NODE, id, s, 1);
        _answer(OTHER_NODE, id, s, 2);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.EvaluationRuns.selector, id));
        board.evaluate(taskId, anna);
        _answer(address(0x3), id, s, 3);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.WrongPayment.selector, 0, COST));
        board.evaluate(taskId, anna); // all three were paid
        vm.prank(ANNA);
        board.evaluate{value: COST}(taskId, anna);
        _answer(NODE, 2, s, 70);
        _answer(OTHER_NODE, 2, s, 70);
        board.finish(taskId);
        vm.assertEq(board.owed(ANNA), PRIZE);
    }

    function test_NodesThatDoNotComeAreAskedAgainWithTheSameMoney() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        Subscription memory s = _evaluationTerms(GOOD);
        uint32 id = board.evaluate(taskId, anna);
        _answer(NODE, id, s, 70);
        vm.warp(block.timestamp + 101);
        coordinator.expire(id, s);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.WrongPayment.selector, 0, uint256(FEE)));
        board.evaluate(taskId, anna);
        vm.prank(ANNA);
        board.evaluate{value: FEE}(taskId, anna);
        s = _evaluationTerms(GOOD);
        _answer(NODE, 2, s, 70);
        _answer(OTHER_NODE, 2, s, 70);
        board.finish(taskId);
        _payOut(ANNA, PRIZE);
    }

    function test_AnOutputThatIsNoNumberScoresTheLeast() public {
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        uint32 id = board.evaluate(taskId, anna);
        Subscription memory s = _evaluationTerms(GOOD);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, "no model", "");
        vm.prank(OTHER_NODE);
        coordinator.deliverModelOutput(id, 1, s, "no model", "");
        vm.assertEq(board.getEntry(taskId, anna).score, type(int256).min);
        board.finish(taskId);
        vm.assertEq(board.owed(SPONSOR), PRIZE);
    }

    // --- Those who would cheat

    function test_Attack_AnEntryIsCopiedFromTheMempool() public {
        uint256 anna = _submit(ANNA, GOOD);
        uint256 bert = _submit(BERT, GOOD); // he guesses, or saw the files: it is later all the same
        vm.warp(START + 101);
        _open(BERT, bert, GOOD);
        _open(ANNA, anna, GOOD);
        vm.assertEq(board.owed(BERT), COST); // out, with what he paid
        _reveal();
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.NotOpened.selector, bert));
        board.evaluate(taskId, bert);
        _evaluate(anna, 90);
        board.finish(taskId);
        vm.assertEq(board.owed(ANNA), PRIZE);
    }

    function test_Attack_ACopyIsOpenedAfterTheOriginal() public {
        uint256 anna = _submit(ANNA, GOOD);
        uint256 bert = _submit(BERT, GOOD);
        vm.warp(START + 101);
        _open(ANNA, anna, GOOD);
        vm.prank(BERT);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.IsACopy.selector, anna));
        board.open{value: COST}(taskId, bert, GOOD, URI, 500, SALT);
    }

    function test_Attack_ACommitmentIsOpenedByAnother() public {
        uint256 anna = _submit(ANNA, GOOD);
        bytes32 seen = board.getEntry(taskId, anna).commitment;
        vm.prank(BERT);
        uint256 bert = board.submit(taskId, seen);
        vm.warp(START + 101);
        vm.prank(BERT);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.NotAuthor.selector, BERT, ANNA));
        board.open{value: COST}(taskId, anna, GOOD, URI, 500, SALT);
        vm.prank(BERT);
        vm.expectPartialRevert(Leaderboard.WrongCommitment.selector);
        board.open{value: COST}(taskId, bert, GOOD, URI, 500, SALT);
    }

    function test_Attack_TheTestSetIsExchanged() public {
        vm.warp(START + 201);
        vm.expectPartialRevert(Leaderboard.WrongCommitment.selector);
        board.reveal(taskId, keccak256("an easier one"), SET_URI, SALT);
    }

    function test_Attack_EntriesAreOpenedAfterTheTestSetIsKnown() public {
        uint256 anna = _submit(ANNA, GOOD);
        vm.expectPartialRevert(Leaderboard.OutsidePhase.selector);
        board.reveal(taskId, TEST_SET, SET_URI, SALT);
        vm.warp(START + 201);
        _revealNow();
        vm.prank(ANNA);
        vm.expectPartialRevert(Leaderboard.OutsidePhase.selector);
        board.open{value: COST}(taskId, anna, GOOD, URI, 500, SALT);
        vm.expectPartialRevert(Leaderboard.OutsidePhase.selector);
        board.submit(taskId, SALT);
    }

    function test_Attack_TheSponsorHidesTheTestSetWhenTheEntriesAreGood() public {
        (uint256 anna, uint256 bert) = _enterBoth();
        vm.warp(START + 301);
        vm.expectPartialRevert(Leaderboard.OutsidePhase.selector);
        board.reveal(taskId, TEST_SET, SET_URI, SALT);
        vm.expectRevert(Leaderboard.NotRevealed.selector);
        board.finish(taskId);
        board.abandon(taskId);
        vm.expectRevert(Leaderboard.IsFinished.selector);
        board.abandon(taskId);
        board.refund(taskId, anna);
        board.refund(taskId, anna); // takes nothing more
        board.refund(taskId, bert);
        _payOut(ANNA, PRIZE / 2 + COST);
        _payOut(BERT, PRIZE / 2 + COST);
        _assertEmpty();
    }

    function test_Attack_ARetryIsPaidWithTheMoneyOfOthers() public {
        (uint256 anna, uint256 bert) = _enterBoth();
        _reveal();
        uint32 first = board.evaluate(taskId, anna); // nobody comes: her money returns to the ledger
        Subscription memory s = _evaluationTerms(GOOD);
        uint32 second = board.evaluate(taskId, bert); // his own nodes take his fees and do not agree
        Subscription memory other = _evaluationTerms(BETTER);
        _answer(address(1), second, other, 1);
        _answer(address(2), second, other, 2);
        _answer(address(3), second, other, 3);
        vm.warp(block.timestamp + 101);
        coordinator.expire(first, s);
        vm.assertEq(_free(address(board)), COST);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.WrongPayment.selector, 0, COST));
        board.evaluate(taskId, bert);
        vm.warp(START + 1_001);
        board.finish(taskId);
        board.refund(taskId, bert);
        board.refund(taskId, anna);
        _payOut(BERT, PRIZE / 2); // nothing of hers
        _payOut(ANNA, PRIZE / 2 + COST);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.NothingOwed.selector, BERT));
        vm.prank(BERT);
        board.withdraw();
        _assertEmpty();
    }

    function test_Attack_TheSponsorBlocksThePromotion() public {
        // The version under which the winner would be published stands there already.
        vm.warp(START);
        vm.prank(SPONSOR);
        models.claimNamespace("evil");
        vm.prank(SPONSOR);
        models.publish("evil", "wine", _hex(GOOD), IModelRegistry.Publication(SALT, "elsewhere", address(0), 0));
        vm.prank(SPONSOR);
        models.offerNamespace("evil", address(board));
        Leaderboard.Task memory t = _task();
        t.namespace = "evil";
        vm.deal(SPONSOR, PRIZE);
        vm.prank(SPONSOR);
        taskId = board.create{value: PRIZE}(t);
        uint256 anna = _enter(ANNA, GOOD);
        _reveal();
        _evaluate(anna, 90);
        board.finish(taskId);
        _payOut(ANNA, PRIZE);
        vm.assertEq(models.resolveAlias(keccak256("evil/wine@champion")), bytes32(0));
    }

    function test_Attack_ATaskInTheNamespaceOfAnother() public {
        Leaderboard.Task memory t = _task();
        t.namespace = "other";
        vm.prank(ANNA);
        models.claimNamespace("other");
        vm.prank(ANNA);
        models.offerNamespace("other", address(board));
        vm.deal(SPONSOR, 1);
        vm.prank(SPONSOR);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.NotSponsor.selector, SPONSOR, ANNA));
        board.create{value: 1}(t);
    }

    function test_Attack_AnAnswerThatNobodyAskedFor() public {
        vm.prank(NODE);
        vm.expectPartialRevert(bytes4(keccak256("NotCoordinator(address)")));
        board.rawReceiveModelOutput(1, 1, 1, NODE, abi.encode(int256(100)), "");
        vm.deal(ANNA, 1);
        vm.prank(ANNA);
        (bool ok,) = address(board).call{value: 1}("");
        vm.assertFalse(ok);
    }

    // --- Wrong input

    function test_RevertWhen_TheTaskIsAbsurd() public {
        vm.deal(SPONSOR, 10 ether);
        Leaderboard.Task memory t = _task();
        t.submitBy = uint40(START - 1);
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "phases"));
        t = _task();
        t.endBy = t.revealBy;
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "phases"));
        t = _task();
        t.k = 1;
        _refuses(t, abi.encodeWithSelector(QuorumConsumer.InvalidQuorum.selector, 1, 3));
        t = _task();
        t.testSetCommitment = 0;
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "testSetCommitment"));
        t = _task();
        t.fee = 0;
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "fee"));
        t = _task();
        t.window = 0;
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "window"));
        t = _task();
        t.name = "";
        _refuses(t, abi.encodeWithSelector(Leaderboard.InvalidTask.selector, "names"));
        vm.prank(SPONSOR);
        vm.expectRevert(Leaderboard.NoPrize.selector);
        board.create(_task());
    }

    function test_RevertWhen_TheEntryIsAbsurd() public {
        uint256 anna = _submit(ANNA, GOOD);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.UnknownTask.selector, 7));
        board.submit(7, SALT);
        vm.warp(START + 101);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.UnknownEntry.selector, 0));
        board.getEntry(taskId, 0);
        vm.prank(ANNA);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.WrongPayment.selector, 1, COST));
        board.open{value: 1}(taskId, anna, GOOD, URI, 500, SALT);
        vm.prank(ANNA);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.TooMuchRoyalty.selector, 5_001, 5_000));
        board.open{value: COST}(taskId, anna, GOOD, URI, 5_001, SALT);
        _open(ANNA, anna, GOOD);
        vm.prank(ANNA);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.AlreadyOpened.selector, anna));
        board.open{value: COST}(taskId, anna, GOOD, URI, 500, SALT);
        vm.expectRevert(Leaderboard.NotRevealed.selector);
        board.evaluate(taskId, anna);
        vm.expectPartialRevert(Leaderboard.EvaluationsMissing.selector);
        board.refund(taskId, anna);
        _reveal();
        _evaluate(anna, 60);
        vm.expectRevert(abi.encodeWithSelector(Leaderboard.AlreadyScored.selector, anna));
        board.evaluate(taskId, anna);
    }

    // --- Steps

    function _refuses(Leaderboard.Task memory t, bytes memory reason) private {
        vm.prank(SPONSOR);
        vm.expectRevert(reason);
        board.create{value: 1}(t);
    }

    function _submit(address author, bytes32 model) private returns (uint256) {
        vm.prank(author);
        return board.submit(taskId, keccak256(abi.encode(taskId, author, model, SALT)));
    }

    function _open(address author, uint256 entry, bytes32 model) private {
        vm.prank(author);
        board.open{value: COST}(taskId, entry, model, URI, 500, SALT);
    }

    function _enter(address author, bytes32 model) private returns (uint256 entry) {
        entry = _submit(author, model);
        vm.warp(START + 101);
        _open(author, entry, model);
    }

    function _enterBoth() private returns (uint256 anna, uint256 bert) {
        (anna, bert) = (_submit(ANNA, GOOD), _submit(BERT, BETTER));
        vm.warp(START + 101);
        _open(ANNA, anna, GOOD);
        _open(BERT, bert, BETTER);
    }

    function _reveal() private {
        vm.warp(START + 201);
        _revealNow();
    }

    function _revealNow() private {
        board.reveal(taskId, TEST_SET, SET_URI, SALT);
    }

    function _evaluate(uint256 entry, int256 score) private {
        uint32 id = board.evaluate(taskId, entry);
        Subscription memory s = _evaluationTerms(board.getEntry(taskId, entry).manifestHash);
        _answer(NODE, id, s, score);
        _answer(OTHER_NODE, id, s, score);
        vm.assertEq(board.getEntry(taskId, entry).score, score);
    }

    function _evaluationTerms(bytes32 model) private view returns (Subscription memory s) {
        s = _terms();
        s.owner = address(board);
        s.containerId = keccak256(bytes(EVALUATOR));
        s.featuresHash = keccak256(abi.encode(model, URI, TEST_SET, SET_URI));
        s.redundancy = 3;
        s.maxGasLimit = overhead + board.CALLBACK_GAS();
        s.fee = FEE;
        s.deadline = uint40(block.timestamp + 100);
    }

    function _answer(address node, uint32 id, Subscription memory s, int256 score) private {
        vm.prank(node);
        coordinator.deliverModelOutput(id, 1, s, abi.encode(score), "");
    }

    function _endEvaluation(uint256 entry) private {
        Subscription memory s = _evaluationTerms(board.getEntry(taskId, entry).manifestHash);
        (s.activeAt, s.deadline) = (uint40(START + 201), uint40(START + 301));
        vm.warp(START + 302);
        coordinator.expire(board.getEntry(taskId, entry).evaluation, s);
    }

    function _payOut(address account, uint256 amount) private {
        uint256 before = account.balance;
        vm.prank(account);
        board.withdraw();
        vm.assertEq(account.balance - before, amount);
    }

    function _assertEmpty() private view {
        vm.assertEq(address(board).balance, 0);
        _assertMoney(address(board), 0, 0);
    }

    function _hex(bytes32 word) private pure returns (string memory) {
        bytes memory digits = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            uint8 digit = uint8(uint256(word) >> (252 - 4 * i) & 15);
            digits[i] = bytes1(digit < 10 ? digit + 48 : digit + 87);
        }
        return string(digits);
    }
}
