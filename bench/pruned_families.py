"""How often something "helps" or "hurts" by chance where arms without any effect were pruned by validation: `python bench/pruned_families.py`.

Every arm is the baseline again: its test figure in each seed is noise of one size. Its validation figure at the rung correlates with that noise by
`rho`. The best arms by mean validation go on, and Holm at 5 % is over these alone, as `contrast compare` does it, or over all that were declared.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

STUDIES, ALPHA = 8000, 0.05


def chance(arms: int, going_on: int, seeds: int, rho: float) -> tuple[float, float]:
    """Share of studies with a false finding: Holm over what went on, and over all arms (a pruned one counting as p = 1)."""
    draws = np.random.default_rng([arms, going_on, seeds, round(100 * rho)])
    over_some = over_all = 0
    for _ in range(STUDIES):
        baseline, test = draws.normal(size=seeds), draws.normal(size=(arms, seeds))
        validation = (rho * test + np.sqrt(1 - rho**2) * draws.normal(size=(arms, seeds))).mean(axis=1)
        chosen = np.argsort(-validation)[:going_on]
        least = stats.ttest_1samp((test - baseline)[chosen], 0, axis=1).pvalue.min()
        over_some += least <= ALPHA / going_on
        over_all += least <= ALPHA / arms
    return over_some / STUDIES, over_all / STUDIES


def main() -> None:
    """Print the table of docs/statistics.md."""
    print("| arms, of which go on | seeds | rho 0 | rho 0.3 | rho 0.6 | rho 0.9 |\n|---|---|---|---|---|---|")
    for arms, going_on in ((9, 3), (9, 1), (27, 3), (27, 1)):
        for seeds in (3, 5):
            cells = (chance(arms, going_on, seeds, rho) for rho in (0.0, 0.3, 0.6, 0.9))
            print(f"| {arms}, {going_on} | {seeds} | {' | '.join(f'{some:.3f} / {every:.3f}' for some, every in cells)} |", flush=True)


if __name__ == "__main__":
    main()
