"""Which parameters are best: tried by cross-validation on the rows to learn from, never on those held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from infernet.errors import InvalidInput
from infernet.workflows.flavours import convert
from infernet.workflows.metrics import Metric
from infernet.workflows.predictions import Model
from infernet.workflows.progress import Progress, stopping_early
from infernet.workflows.tracker import build_missing
from infernet.workflows.workflow import TrainingWorkflow, call_train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from infernet.workflows.data import Rows

_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both are. `log` for those that span magnitudes."""

    low: float
    high: float
    log: bool = False


Space: TypeAlias = "Range | Sequence[Any]"
"""A range, or the values to choose from."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters and their score; None where they could not be trained."""

    number: int
    params: Mapping[str, Any]
    score: float | None
    error: str | None = None


Evaluate = Callable[[Sequence[Mapping[str, Any]]], "list[float | Exception]"]
"""The scores of several settings, maybe at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """A search for the parameters of one workflow.

    Attributes:
        params: where they are no part of the space.
        at_once: how many settings are tried side by side; what is tried depends on it.
    """

    workflow: TrainingWorkflow
    rows: Rows
    params: Mapping[str, Any]
    metric: Metric
    seed: int
    at_once: int = 1

    def run(
        self,
        trials: int,
        progress: Progress,
        told: Callable[[Trial], None],
        evaluate: Evaluate | None = None,
        known: Mapping[int, Trial] = {},
    ) -> Trial:
        """The best of so many trials; after Ctrl-C the best until then.

        Args:
            told: of each trial that is over.
            known: trials of the same search that were over before, by number. They are told to the sampler instead of
                being tried again, so that it goes on as it would have.

        Raises:
            InvalidInput: `workflow.space`; `search.failed`: no setting could be trained.
            KeyboardInterrupt: no trial was over yet.
        """
        study, spaces = self._create_study(), self._build_spaces()
        done: list[Trial] = []
        evaluate = evaluate or (lambda settings: [self.score(setting, progress) for setting in settings])
        with stopping_early(progress, asks=True):
            for start in progress.track(range(0, trials, self.at_once), "searching"):
                asked = [study.ask(spaces) for _ in range(min(self.at_once, trials - start))]
                settings = [{**self.params, **trial.params} for trial in asked]
                over = [
                    _find_known(known, trial.number, setting) for trial, setting in zip(asked, settings, strict=True)
                ]
                new = [setting for setting, trial in zip(settings, over, strict=True) if trial is None]
                scores = iter(evaluate(new) if new else ())
                if new and progress.stopped:  # these trainings were ended early: what they say is not comparable
                    break
                for trial, before in zip(asked, over, strict=True):
                    done.append(self._tell(study, trial, next(scores) if before is None else before))
                    told(done[-1])
        return self._choose(done, stopped=progress.stopped)

    def score(self, params: Mapping[str, Any], progress: Progress | None = None) -> float | Exception:
        """The mean of the metric over the folds."""
        scores = []
        for train, judged in self._cut():
            try:
                estimator = call_train(
                    self.workflow, self.rows.take(train), params, self.seed, Progress(part_of=progress)
                )
                part = self.rows.take(judged)
                predicted = predict(self.workflow, estimator, part)
                scores.append(self.metric.compute(part.target.to_numpy(), predicted))
            except Exception as error:  # noqa: BLE001  (the user's code: one setting that fails does not end the search)
                return error
        return float(np.mean(scores))

    def _cut(self) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit  # noqa: PLC0415

        target = self.rows.target.to_numpy()
        if self.workflow.time is not None:
            cut = TimeSeriesSplit(_FOLDS)
        elif self.rows.is_classes and np.unique(target, return_counts=True)[1].min() >= _FOLDS:
            cut = StratifiedKFold(_FOLDS, shuffle=True, random_state=self.seed)
        else:
            cut = KFold(_FOLDS, shuffle=True, random_state=self.seed)
        folds = []
        for train, judged in cut.split(target, target):
            masks = np.zeros((2, len(target)), bool)
            masks[0, train], masks[1, judged] = True, True
            folds.append((masks[0], masks[1]))
        return folds

    def _create_study(self) -> Any:
        try:
            import optuna  # noqa: PLC0415  (an extra)
        except ModuleNotFoundError as error:
            raise build_missing(error) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = "maximize" if self.metric.higher_is_better else "minimize"
        sampler = optuna.samplers.TPESampler(seed=self.seed, constant_liar=self.at_once > 1)
        return optuna.create_study(direction=direction, sampler=sampler)

    def _build_spaces(self) -> dict[str, Any]:
        if not self.workflow.space:
            raise InvalidInput(
                "workflow.space",
                f"{self.workflow.name} says nothing of what to search: set space = {{'C': Range(0.01, 100)}}",
            )
        unknown = [name for name in self.workflow.space if name not in self.params]
        if unknown:
            raise InvalidInput("workflow.space", f"{unknown[0]} in the space of {self.workflow.name} is no parameter")
        return {name: _build_distribution(name, space) for name, space in self.workflow.space.items()}

    def _tell(self, study: Any, asked: Any, score: float | Exception | Trial) -> Trial:
        from optuna.trial import TrialState  # noqa: PLC0415

        if isinstance(score, Trial):
            study.tell(asked, score.score, state=TrialState.FAIL if score.score is None else None)
            return score
        params = {**self.params, **asked.params}
        if isinstance(score, Exception) or not np.isfinite(score):
            study.tell(asked, state=TrialState.FAIL)
            reason = (
                f"{type(score).__name__}: {score}" if isinstance(score, Exception) else f"{self.metric.name} is {score}"
            )
            return Trial(asked.number, params, None, reason)
        study.tell(asked, score)
        return Trial(asked.number, params, score)

    def _choose(self, done: Sequence[Trial], *, stopped: bool) -> Trial:
        good = [trial for trial in done if trial.score is not None]
        if not good and stopped:
            raise KeyboardInterrupt
        if not good:
            raise InvalidInput(
                "search.failed", f"none of {len(done)} settings could be trained, the last: {done[-1].error}"
            )
        sign = 1 if self.metric.higher_is_better else -1
        return max(good, key=lambda trial: sign * (trial.score or 0.0))


def predict(workflow: TrainingWorkflow, estimator: Any, rows: Rows) -> NDArray[Any]:
    """Answers of an estimator: its own where it is scikit-learn's kind, else those of its graph."""
    if hasattr(estimator, "predict") and hasattr(estimator, "get_params"):
        found: NDArray[Any] = np.asarray(estimator.predict(rows.features)).reshape(len(rows))
        return found
    converted = convert(estimator, rows, export=workflow.export)
    return Model(converted.onnx, converted.inputs, converted.outputs).predict(rows.matrix())


def _build_distribution(name: str, space: Space) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    try:
        if not isinstance(space, Range):
            return CategoricalDistribution(list(space))
        if isinstance(space.low, int) and isinstance(space.high, int):
            return IntDistribution(space.low, space.high, log=space.log)
        return FloatDistribution(space.low, space.high, log=space.log)
    except (TypeError, ValueError) as error:
        raise InvalidInput("workflow.space", f"the space of {name} is none: {error}") from None


def _find_known(known: Mapping[int, Trial], number: int, params: Mapping[str, Any]) -> Trial | None:
    trial = known.get(number)
    return trial if trial is not None and trial.params == params else None
