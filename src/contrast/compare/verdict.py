"""The verdict on one arm: its kind, a sentence, and a short form for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .estimate import Interval
from .kinds import NOT_YET, Kind, Verdict
from .metrics import Metric
from .rounding import decimals_apart, decimals_for, number, p_text, percent, signed

if TYPE_CHECKING:
    from .contrast import Contrast, Terms
    from .power import SeedsNeeded


def verdict_on(contrast: Contrast, metric: Metric, terms: Terms) -> Verdict:
    """The first that holds of: pruned, diverged, not yet, one seed, zero variance, helps or hurts, no difference, undecided."""
    if contrast.pruned:
        short = f"unfinished (pruned{f' after {contrast.reached}' * bool(contrast.reached)})"
        return Verdict("pruned", f"{short}: no verdict", short)
    if contrast.diverged or contrast.baseline_diverged:
        return _diverged(contrast, metric)
    if not contrast.seeds:
        return NOT_YET
    if len(contrast.seeds) == 1:
        return Verdict("one seed", "one seed: no verdict", "one seed: no verdict")
    if terms.looks and len(contrast.seeds) < terms.looks[0]:
        return Verdict("not yet", f"not yet: the first look is at {terms.looks[0]} seeds", "not yet")
    if contrast.deciding is None or contrast.p_holm is None:
        return _zero_variance(contrast, metric)
    # Not the adjusted p: its rounding could part words and interval, and those must agree.
    if 0.0 not in contrast.deciding:
        return _decided(contrast, contrast.deciding, contrast.p_holm, metric, terms.alpha)
    if terms.margin is not None and contrast.p_equivalence is not None and contrast.p_equivalence <= terms.alpha:
        return _equivalent(contrast, metric.amount(f"{terms.margin:g}"))
    return _undecided(contrast, contrast.deciding, terms.overlap)


def _decided(contrast: Contrast, interval: Interval, p_holm: float, metric: Metric, alpha: float) -> Verdict:
    better = (interval.low > 0) == metric.greater_is_better
    low, high = sorted((abs(interval.low), abs(interval.high)))
    # Of a race: the effect at the look that decided, so that it is the middle of the interval told beside it.
    seen = contrast.estimate_at(contrast.deciding_pairs)
    effect = abs(seen.mean) if seen else 0.0
    decimals = decimals_apart((low, effect), _decimals(contrast, contrast.deciding_pairs))
    amount = metric.amount(number(effect, decimals))
    word: Kind = "helps" if better else "hurts"
    # "helps by 0.12" would leave open which way the loss went.
    short = f"{word} by {amount}" if metric.unit == "points" else f"{word}: {amount} {'higher' if interval.low > 0 else 'lower'}"
    evidence = ", ".join(
        [
            f"{percent(interval.level)} interval {number(low, decimals)} to {number(high, decimals)}",
            _pairs(contrast, contrast.deciding_pairs),
            p_text(p_holm, alpha) + (" after Holm" if contrast.family > 1 else ""),
        ]
    )
    return Verdict(word, f"{short} ({evidence})", short)


def _equivalent(contrast: Contrast, margin: str) -> Verdict:
    """Two one-sided tests at 5 % are the 90 % interval inside the margin: that one is told, the 95 % one may reach beyond."""
    short = f"no difference larger than {margin}"
    interval = contrast.equivalence_interval
    if interval is None:
        return Verdict("no difference", short, short)
    decimals = decimals_apart((interval.low, interval.high), _decimals(contrast, contrast.equivalence_pairs))
    bounds = f"{percent(interval.level)} interval {number(interval.low, decimals)} to {number(interval.high, decimals)}"
    return Verdict("no difference", f"{short} ({bounds}, {_pairs(contrast, contrast.equivalence_pairs)})", short)


def _undecided(contrast: Contrast, interval: Interval, overlap: float) -> Verdict:
    decimals = decimals_apart((interval.low, interval.high), _decimals(contrast, contrast.deciding_pairs))
    bounds = f"{number(interval.low, decimals)} to {number(interval.high, decimals)}"
    outlook = seeds_text(contrast.seeds_needed, overlap)
    return Verdict("undecided", f"undecided: {bounds}; {outlook}", f"undecided: {outlook}")


def seeds_text(needed: SeedsNeeded | None, overlap: float) -> str:
    """ "8 to 30 more seeds would settle it"; with splits that overlap, perhaps no number of them would."""
    if needed is None or needed.fewest is None:
        return "more splits of this sample would not settle it" if overlap else "more than 1,000 more seeds would be needed to settle it"
    if needed.most is None and overlap:
        return f"{needed.fewest} or more seeds would settle it, if splits of one sample can"
    if needed.most is None:
        return f"{needed.fewest} to over 1,000 more seeds would settle it"
    if needed.fewest == needed.most:
        return f"{needed.most} more seed{'s' * (needed.most > 1)} would settle it"
    return f"{needed.fewest} to {needed.most} more seeds would settle it"


def _zero_variance(contrast: Contrast, metric: Metric) -> Verdict:
    # Of a race between two looks, only those that the last look saw need be equal.
    count = max((look.pairs for look in contrast.looks), default=len(contrast.seeds))
    value = contrast.differences[0]
    each = metric.amount(signed(value, 2 if value else 0))
    sentence = f"no verdict: all differences equal ({each} in each of {count} seeds)"
    return Verdict("zero variance", sentence, "no verdict: all differences equal")


def _diverged(contrast: Contrast, metric: Metric) -> Verdict:
    """What the seeds say that both sides finished is told all the same; where the baseline alone diverged, the arm did not."""
    theirs = f"the baseline diverged in {_of(contrast.baseline_diverged, contrast.baseline_ended)}"
    short = f"no verdict: {theirs}"
    if contrast.diverged:
        short = f"diverged in {_of(contrast.diverged, contrast.ended)}" + (f"; {theirs}" if contrast.baseline_diverged else "")
    return Verdict("diverged", f"{short}; {_the_rest(contrast, metric)}" if contrast.seeds else short, short)


def _the_rest(contrast: Contrast, metric: Metric) -> str:
    decimals = decimals_for(contrast.standard_error)
    effect = metric.amount(signed(contrast.effect or 0.0, decimals))
    interval = contrast.interval
    about = ""
    if interval:
        about = f" ({percent(interval.level)} interval {number(interval.low, decimals)} to {number(interval.high, decimals)})"
    return f"{effect} in the {_seeds(len(contrast.seeds))} that both finished{about}"


def _decimals(contrast: Contrast, pairs: int) -> int:
    estimate = contrast.estimate_at(pairs)
    return decimals_for(estimate.standard_error if estimate else None)


def _pairs(contrast: Contrast, pairs: int) -> str:
    """How many seeds an interval is from; of a race that went on after its decision, how many of them."""
    done = len(contrast.seeds)
    return f"{done} seeds" if pairs == done else f"the first {pairs} of {done} seeds"


def _of(seeds: tuple[int, ...], ended: int) -> str:
    return f"{len(seeds)} of {_seeds(ended)}"


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"
