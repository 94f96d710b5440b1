"""LightGBM and XGBoost: their rounds as steps of a training, and their trees as its checkpoints.

Both go on from given trees as if they had never stopped, bit for bit, as long as no round depends on more than the
trees before it. What does is named here; the run says so where such a training was taken up again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infernet.workflows.states import encode_state, read_chance

if TYPE_CHECKING:
    from infernet.workflows.progress import Progress

_LIGHTGBM = {
    "boosting": "gbdt",
    "data_sample_strategy": "bagging",
    "bagging_fraction": "1",
    "pos_bagging_fraction": "1",
    "neg_bagging_fraction": "1",
    "feature_fraction": "1",
    "feature_fraction_bynode": "1",
    "extra_trees": "0",
    "use_quantized_grad": "0",
    "linear_tree": "0",
    "cegb_penalty_feature_lazy": "",
    "cegb_penalty_feature_coupled": "",
    "early_stopping_round": "0",
}
"""LightGBM's parameters whose other values let a round depend on chance or on rounds before it."""
_XGBOOST = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
_MAY_STOP = "early stopping, where train() asks for it, counts anew"


def build_lightgbm_callback(progress: Progress) -> Callable[[Any], None]:
    """What `Progress.lightgbm` says."""
    from lightgbm import Booster  # noqa: PLC0415  (an extra)
    from lightgbm.callback import EarlyStopException  # noqa: PLC0415

    def after_round(state: Any) -> None:
        done, results = state.iteration + 1, state.evaluation_result_list or []
        total = progress.fit_total or state.end_iteration
        for row in results:
            progress.report(done, **{f"{row[0]}_{row[1]}": row[2]})
        progress.tell_step(done, total)
        if progress.stopped or done >= total:  # trees that were there before do not count as LightGBM counts
            raise EarlyStopException(state.iteration, results)
        if isinstance(state.model, Booster) and progress.is_fit_due:
            progress.save(lambda: _read_lightgbm(state.model, bool(results)), done, total)

    return after_round


def restore_lightgbm(progress: Progress) -> Any:
    """The booster to go on from."""
    text = progress.restore_fit()
    if text is None:
        return None
    from lightgbm import Booster  # noqa: PLC0415  (an extra)

    return Booster(model_str=text)


def _read_lightgbm(model: Any, is_judged: bool) -> tuple[bytes, str | None]:
    text = model.model_to_string(num_iteration=-1)
    return _encode(text), find_lightgbm_memory(text) or (_MAY_STOP if is_judged else None)


def find_lightgbm_memory(text: str) -> str | None:
    """What a model of this text remembers from round to round beside its trees, in words; None for nothing."""
    params = dict(re.findall(r"^\[(\w+): (.*)\]$", text, re.MULTILINE))
    if params.get("bagging_freq") == "0":
        params.update(bagging_fraction="1", pos_bagging_fraction="1", neg_bagging_fraction="1")
    for name, plain in _LIGHTGBM.items():
        if params.get(name) != plain:
            return f"{name} is {params.get(name, 'unknown')}"
    rates = set(re.findall(r"^shrinkage=(.*)$", text, re.MULTILINE)) - {"1"}  # the first trees hold the mean, unshrunk
    return "the learning rate changes" if len(rates) > 1 else None


def build_xgboost_callback(progress: Progress, rounds: int) -> Any:
    """What `Progress.xgboost` says."""
    from xgboost.callback import TrainingCallback  # noqa: PLC0415  (an extra)

    class AfterRound(TrainingCallback):  # type: ignore[misc]  # xgboost is no part of the check
        """XGBoost counts rounds from 0, whatever trees were there before."""

        def before_training(self, model: Any) -> Any:
            self.rounds_before = model.num_boosted_rounds()
            self.rate = _read_rate(model)
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            done = self.rounds_before + epoch + 1
            for data, metrics in evals_log.items():
                progress.report(done, **{f"{data}_{name}": values[-1] for name, values in metrics.items()})
            progress.tell_step(done, rounds)
            if progress.stopped or done >= rounds:
                return True
            if progress.is_fit_due:
                progress.save(lambda: _read_xgboost(model, self.rate, bool(evals_log)), done, rounds)
            return False

    return AfterRound()


def restore_xgboost(progress: Progress) -> Any:
    """The booster to go on from."""
    content = progress.restore_fit()
    if content is None:
        return None
    from xgboost import Booster  # noqa: PLC0415  (an extra)

    return Booster(model_file=bytearray(content))


def _read_xgboost(model: Any, rate: str | None, is_judged: bool) -> tuple[bytes, str | None]:
    return _encode(bytes(model.save_raw("ubj"))), find_xgboost_memory(model, rate) or (_MAY_STOP if is_judged else None)


def find_xgboost_memory(model: Any, rate: str | None = None) -> str | None:
    """As `find_lightgbm_memory`, of a booster that began with this learning rate."""
    booster = json.loads(model.save_config())["learner"]["gradient_booster"]
    if booster["name"] != "gbtree":
        return f"booster is {booster['name']}"
    params = booster["tree_train_param"]
    for name in _XGBOOST:
        if float(params[name]) != 1:
            return f"{name} is {params[name]}"
    return "the learning rate changes" if rate not in (None, params["eta"]) else None


def _read_rate(model: Any) -> str | None:
    rate: str | None = (
        json.loads(model.save_config())["learner"]["gradient_booster"].get("tree_train_param", {}).get("eta")
    )
    return rate


def _encode(state: object) -> bytes:
    return encode_state({"chance": read_chance(), "state": state})
