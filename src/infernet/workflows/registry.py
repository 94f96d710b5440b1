"""Registered versions: complete or not there, and one of them the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.workflows.metrics import Metric
from infernet.workflows.tracker import Tracker, insert, translated

CHAMPION = "champion"
MANIFEST_HASH, DATA_HASH, HELD_OUT_HASH, SCHEMA_HASH, METRIC, SCORE, BEFORE, WITHDRAWN = (
    "infernet.manifest_hash",
    "infernet.data_hash",
    "infernet.held_out_hash",
    "infernet.schema_hash",
    "infernet.metric",
    "infernet.score",
    "infernet.champion_before",
    "infernet.withdrawn",
)
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model.

    Attributes:
        source: where MLflow says its files are.
    """

    model: str
    number: int
    source: str
    run_id: str | None
    tags: Mapping[str, str]

    @property
    def is_ours(self) -> bool:
        """Whether it was registered here, with everything that belongs to it."""
        return MANIFEST_HASH in self.tags

    @property
    def is_withdrawn(self) -> bool:
        return WITHDRAWN in self.tags

    def read_score(self, metric: Metric, held_out_hash: str) -> float | None:
        """Its score by that metric on those held-out rows, where it is known."""
        if self.tags.get(METRIC) == metric.name and self.tags.get(HELD_OUT_HASH) == held_out_hash:
            return float(self.tags[SCORE])
        again = self.tags.get(_name_score(metric, held_out_hash))
        return None if again is None else float(again)


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in one MLflow."""

    tracker: Tracker

    @property
    def _client(self) -> Any:
        return self.tracker.client

    def list_versions(self, model: str) -> list[Version]:
        """All of a model's, in order."""
        with translated(self.tracker.uri):
            found, token = [], None
            while True:
                page = self._client.search_model_versions(f"name='{_quote(model)}'", _PAGE, page_token=token)
                found += [_read(row) for row in page]
                token = page.token
                if not token:
                    return sorted(found, key=lambda version: version.number)

    def find_same(self, model: str, manifest_hash: str) -> Version | None:
        """The first version of that manifest hash."""
        versions = self.list_versions(model)
        return next((known for known in versions if known.tags.get(MANIFEST_HASH) == manifest_hash), None)

    def find_champion(self, model: str) -> Version | None:
        """The version that the alias stands for."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with translated(self.tracker.uri):
            try:
                return _read(self._client.get_model_version_by_alias(model, CHAMPION))
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def register(
        self, model: str, logged_model: Any, run_id: str, tags: Mapping[str, str], *, once: bool = False
    ) -> Version:
        """A version of files that are all there. MLflow writes it with its tags in one step.

        Args:
            once: where others register the same manifest hash at this moment, all of them answer the first version.
                MLflow cannot look and register in one step: each registers and then looks, and takes its own back
                where there is an earlier one.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with translated(self.tracker.uri):
            try:
                self._client.create_registered_model(model)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source, logged = logged_model.model_uri, logged_model.model_id
            with self.tracker.current():
                own = _read(self._client.create_model_version(model, source, run_id, dict(tags), model_id=logged))
            first = self.find_same(model, tags[MANIFEST_HASH]) if once else own
            if first is None or first.number == own.number:
                return own
            self._client.delete_model_version(model, str(own.number))
            self._client.delete_logged_model(logged)
            return first

    def promote(
        self,
        candidate: Version,
        metric: Metric,
        held_out_hash: str,
        score_again: Callable[[Version], float | None],
        *,
        since: int,
    ) -> Version:
        """Point the alias at the best version that can be compared with the candidate, and answer it.

        MLflow cannot compare and set. Each trainer registers before it looks, and looks again after it has set the
        alias: the one that sets it last has seen all the others, so in whatever order they run, the best one stays.

        Args:
            score_again: a version's score on our held-out rows, where it was judged by others; None where it cannot
                have one.
            since: the newest version when this training began; later ones are compared whatever they were trained with.
        """
        while True:
            champion = self.find_champion(candidate.model)
            if champion is not None and not champion.is_ours:
                return champion
            best = self._find_best(candidate, champion, metric, held_out_hash, score_again, since)
            if champion is not None and best.number == champion.number:
                return champion
            self._set_champion(best, champion)

    def _find_best(
        self,
        candidate: Version,
        champion: Version | None,
        metric: Metric,
        held_out_hash: str,
        score_again: Callable[[Version], float | None],
        since: int,
    ) -> Version:
        rivals = [] if champion is None else [champion]
        rivals += [version for version in self.list_versions(candidate.model) if version not in rivals]
        best: tuple[Version, float] | None = None
        for version in rivals:
            if not version.is_ours or version.is_withdrawn:
                continue
            score = version.read_score(metric, held_out_hash)
            is_rival = version == champion or version.number > since
            if score is None and is_rival:
                score = self._score_again(version, metric, held_out_hash, score_again)
            if score is not None and (best is None or metric.is_better(score, best[1])):
                best = version, score
        return best[0] if best else candidate

    def _score_again(
        self, version: Version, metric: Metric, held_out_hash: str, score_again: Callable[[Version], float | None]
    ) -> float | None:
        try:
            score = score_again(version)
            if score is not None:
                self._tag(version, _name_score(metric, held_out_hash), f"{score:.6f}")
        except NodeMisconfigured:
            if any(known.number == version.number for known in self.list_versions(version.model)):
                raise
            return None  # it was deleted meanwhile
        return score

    def _tag(self, version: Version, key: str, value: str) -> None:
        with translated(self.tracker.uri):
            insert(lambda: self._client.set_model_version_tag(version.model, str(version.number), key, value))

    def rollback(self, model: str, to: int | None = None) -> tuple[Version, Version]:
        """Withdraw the champion and point the alias at the champion before it, or at the version that is named.
        Later trainings do not bring a withdrawn version back.

        Returns:
            The version that was champion, and the one that is.

        Raises:
            InvalidInput: `registry.no_champion`, `registry.no_version`, `registry.nothing_earlier`.
        """
        versions = {version.number: version for version in self.list_versions(model)}
        champion = self.find_champion(model)
        if champion is None:
            known = f"it has versions {', '.join(map(str, versions))}" if versions else "train it first"
            raise InvalidInput("registry.no_champion", f"the model {model!r} has no champion to roll back: {known}")
        target = self._choose_earlier(champion, versions, to)
        with translated(self.tracker.uri):
            self._set_champion(target)
            if target.number < champion.number:
                self._tag(champion, WITHDRAWN, f"rolled back to {target.number}")
            if target.is_withdrawn:
                self._client.delete_model_version_tag(model, str(target.number), WITHDRAWN)
        return champion, target

    def _choose_earlier(self, champion: Version, versions: Mapping[int, Version], to: int | None) -> Version:
        if to is not None:
            if to not in versions or not versions[to].is_ours:
                known = ", ".join(str(number) for number, version in versions.items() if version.is_ours)
                raise InvalidInput(
                    "registry.no_version", f"{champion.model} has no version {to} to serve, it has {known}"
                )
            return versions[to]
        earlier = [v for v in versions.values() if v.number < champion.number and v.is_ours and not v.is_withdrawn]
        was = champion.tags.get(BEFORE)
        named = [version for version in earlier if str(version.number) == was]
        if not earlier:
            raise InvalidInput(
                "registry.nothing_earlier",
                f"version {champion.number} of {champion.model} is the first: nothing to go back to",
            )
        return (named or earlier)[-1]

    def _set_champion(self, version: Version, before: Version | None = None) -> None:
        if before is not None:
            self._tag(version, BEFORE, str(before.number))
        with translated(self.tracker.uri):
            insert(lambda: self._client.set_registered_model_alias(version.model, CHAMPION, str(version.number)))

    def fetch_folder(self, version: Version, folder: Path) -> Path:
        """A version's files, below the folder.

        Raises:
            NodeMisconfigured: `registry.files_gone`.
        """
        import mlflow  # noqa: PLC0415

        try:
            place = self._client.get_model_version_download_uri(version.model, str(version.number))
            return Path(mlflow.artifacts.download_artifacts(place, dst_path=str(folder), tracking_uri=self.tracker.uri))
        except (OSError, mlflow.MlflowException) as error:
            raise NodeMisconfigured(
                "registry.files_gone",
                f"the files of version {version.number} of {version.model} are not to be had: {error}",
            ) from error


def _read(row: Any) -> Version:
    return Version(row.name, int(row.version), row.source, row.run_id or None, dict(row.tags))


def _name_score(metric: Metric, held_out_hash: str) -> str:
    return f"infernet.score.{metric.name}.{held_out_hash[:16]}"


def _quote(text: str) -> str:
    return text.replace("'", "\\'")
