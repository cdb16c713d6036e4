"""Statistics of a study, from arrays and tables alone: `compare` gives the Comparison, the rest are its parts by name."""

from .calibration import Reliability, expected_calibration_error, reliability
from .classes import ClassAccuracy, balanced_accuracy, class_accuracies
from .comparison import ArmSummary, Comparison, compare, judged_together
from .contrast import Contrast
from .estimate import Estimate, Interval, mean_estimate, share_of_variance
from .factorial import FactorialEffect, factorial_effects, fractional_effects
from .intervals import paired_t_interval, two_way_estimate, two_way_interval
from .kinds import Verdict
from .metrics import ComparisonError, Metric, metric_named
from .power import (
    SeedsNeeded,
    Settling,
    SmallestEffect,
    detection_power,
    equivalence_power,
    sd_interval,
    seeds_needed,
    seeds_to_detect,
    seeds_to_equate,
    smallest_effect,
    smallest_effect_from_one_run,
    smallest_effect_from_pilot,
)
from .prediction import prediction_interval
from .sequential import (
    Decided,
    Look,
    alpha_shares,
    deciding_interval,
    deciding_look,
    equating_look,
    looks_at,
    next_look,
    planned_looks,
    sequential_equivalence,
    sequential_p,
)
from .sweep import BestOfSweep, Trend, best_of_sweep, trend
from .testing import Holm, SignFlip, equivalence, holm, paired_t, sign_flip
from .variance import MeanSquares, VarianceParts, mean_squares, variance_parts

__all__ = [
    "ArmSummary",
    "BestOfSweep",
    "ClassAccuracy",
    "Comparison",
    "ComparisonError",
    "Contrast",
    "Decided",
    "Estimate",
    "FactorialEffect",
    "Holm",
    "Interval",
    "Look",
    "MeanSquares",
    "Metric",
    "Reliability",
    "SeedsNeeded",
    "Settling",
    "SignFlip",
    "SmallestEffect",
    "Trend",
    "VarianceParts",
    "Verdict",
    "alpha_shares",
    "balanced_accuracy",
    "best_of_sweep",
    "class_accuracies",
    "compare",
    "deciding_interval",
    "deciding_look",
    "detection_power",
    "equating_look",
    "equivalence",
    "equivalence_power",
    "expected_calibration_error",
    "factorial_effects",
    "fractional_effects",
    "holm",
    "judged_together",
    "looks_at",
    "mean_estimate",
    "mean_squares",
    "metric_named",
    "next_look",
    "paired_t",
    "paired_t_interval",
    "planned_looks",
    "prediction_interval",
    "reliability",
    "sd_interval",
    "seeds_needed",
    "seeds_to_detect",
    "seeds_to_equate",
    "sequential_equivalence",
    "sequential_p",
    "share_of_variance",
    "sign_flip",
    "smallest_effect",
    "smallest_effect_from_one_run",
    "smallest_effect_from_pilot",
    "trend",
    "two_way_estimate",
    "two_way_interval",
    "variance_parts",
]
