"""Searching: settings tried by validation alone, in rounds, and the best of them as an arm for fresh seeds to judge."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.designs import Range, Search, Trial
from contrast.errors import RunFailed

if TYPE_CHECKING:
    import optuna

    from contrast.results import Results


class Searching:
    """One search, carried on from what its runs say.

    What a sampler proposes follows from its seed and from the figures of the trials before, never from the time at which
    they ended: so a search that was cut off goes on as the same search, with any number of workers.

    Args:
        search: where to look, and for how long.
        choose: the validation figure to go by.
    """

    def __init__(self, search: Search, choose: str) -> None:
        import optuna

        self.search, self.choose = search, choose
        self.greater_is_better = choose.endswith("accuracy")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of `constant_liar`, which rounds need
            sampler = {
                "tpe": lambda: optuna.samplers.TPESampler(seed=search.seed, constant_liar=True),
                "random": lambda: optuna.samplers.RandomSampler(seed=search.seed),
            }[search.sampler]()
        self._study = optuna.create_study(direction="maximize" if self.greater_is_better else "minimize", sampler=sampler)
        self._asked: list[tuple[Trial, optuna.trial.Trial]] = []
        self._figures: dict[int, float | None] = {}

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Everything that was asked for so far."""
        return tuple(trial for trial, _ in self._asked)

    def ask(self) -> bool:
        """Choose the trials of the next round; False where the budget is used up."""
        left = self.search.trials - len(self._asked)
        for _ in range(min(left, self.search.at_once)):
            proposed = self._study.ask()
            changes = {path: self._suggested(proposed, path, values) for path, values in self.search.over.items()}
            self._asked.append((Trial(proposed.number, changes), proposed))
        return left > 0

    def _suggested(self, proposed: optuna.trial.Trial, path: str, values: Any) -> Any:
        if not isinstance(values, Range):
            return values[proposed.suggest_categorical(path, list(range(len(values))))]
        low, high, step = values.low, values.high, values.step
        if isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int)):
            return proposed.suggest_int(path, low, high, step=step or 1, log=values.log)
        drawn = proposed.suggest_float(path, low, high, step=step, log=values.log)
        return float(f"{drawn:.6g}")  # what stands in tables and recipes is what was tried

    def tell(self, results: Results) -> None:
        """Take in the validation figures of the round.

        Raises:
            RunFailed: a trial's run has no figure although it did not diverge.
        """
        import optuna

        for trial, proposed in self._asked:
            if trial.number in self._figures:
                continue
            summary = results.trial(trial.number)
            figure, pruned = summary.get(self.choose), summary.get("status") == "pruned"
            if figure is None and summary.get("status") != "diverged":
                raise RunFailed(f"{trial.arm} has no {self.choose}; run the same command again to go on")
            self._figures[trial.number] = None if pruned else figure
            if pruned:
                proposed.report(figure, summary["epochs"])  # a sampler ranks those that got as far by it
            if pruned or figure is None:
                self._study.tell(proposed, state=optuna.trial.TrialState.PRUNED)
            else:
                self._study.tell(proposed, figure)

    def best(self) -> Mapping[str, Any]:
        """The changes that validation liked best; the earlier of two that are equal.

        Raises:
            RunFailed: every trial that was not pruned diverged.
        """
        sign = -1.0 if self.greater_is_better else 1.0
        scored = [(sign * figure, number) for number, figure in self._figures.items() if figure is not None]
        if not scored:
            raise RunFailed("every trial of the search diverged; search over smaller learning rates")
        return self._asked[min(scored)[1]][0].changes
