"""The named methods behind every number of the page: what each says, its formula, its source, the function that does it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One method as the page explains it.

    Attributes:
        name: of its anchor, ``method-NAME``.
        title: as a statistician calls it.
        says: what it is about, in a sentence or two.
        formula: in one line; empty where there is nothing to calculate but what `says` tells.
        source: who it is due to.
        function: in `contrast.compare`; empty where it is plain arithmetic.
    """

    name: str
    title: str
    says: str
    formula: str
    source: str
    function: str = ""


EVERY = (
    Method(
        "mean",
        "Mean and standard deviation",
        "Over the finished seeds of an arm; the standard deviation is that of one run, not of the mean.",
        "m = Σ y_s / S;  sd = √(Σ (y_s − m)² / (S − 1))",
        "",
    ),
    Method(
        "counts",
        "Counts of a set",
        "Images by label in each part: training images as the plan split them, others as the first judged run of the baseline saw them.",
        "",
        "",
    ),
    Method(
        "mean-range",
        "Mean and range",
        "Over the seeds of an arm, at each epoch that all of them have reached.",
        "m = Σ y_s / S;  min y_s, max y_s",
        "",
    ),
    Method(
        "mean-t",
        "t interval of a mean",
        "Where an arm's mean would lie with other seeds. Not paired: two such intervals may overlap where the difference is clear.",
        "m ± t(S − 1) · sd / √S",
        "Student 1908",
        "mean_estimate",
    ),
    Method(
        "paired-t",
        "Paired t: interval and p",
        "Seed by seed, the arm minus the baseline: where the difference would lie with other seeds on these test images. Where outcomes per "
        "image are "
        "known, the variance has a floor, so that few seeds that agree by luck are not taken for certainty.",
        "d_s = arm − baseline;  m ± t(S − 1) · sd(d_s) / √S",
        "Student 1908; paired designs: Bouthillier et al. 2021",
        "paired_t, paired_t_interval",
    ),
    Method(
        "two-way",
        "Two-way variance: seeds and images",
        "Where the difference would lie with other seeds and other test images of the same kind: analysis of variance of the differences by "
        "seed and image.",
        "v = (MS_s + MS_i − MS_si) / (S N);  m ± t(df) · √v, df by Satterthwaite",
        "Owen 2007; Satterthwaite 1946",
        "two_way_interval",
    ),
    Method(
        "holm",
        "Holm's correction",
        "Over all that is tested in one table, so that a false finding among them has the chance α at most. The deciding interval is at the "
        "level at which Holm decides. Arms that were pruned count among them, with p = 1.",
        "k-th smallest p against α / (m − k + 1)",
        "Holm 1979",
        "holm",
    ),
    Method(
        "successive-halving",
        "Successive halving",
        "Settings train side by side to the same epoch; the best by validation, mean over their seeds, go on, and the others are given up, their "
        "test images unopened. Being picked on seeds that are judged later flatters what goes on, all the more the fewer do.",
        "⌈n / reduction⌉ of n go on from each rung, ties with the last of them too",
        "Jamieson & Talwalkar 2016",
    ),
    Method(
        "tost",
        "Equivalence by two one-sided tests",
        "“No difference” means that the difference lies within the margin, not that none was found.",
        "m ± t(S − 1; 95 %) · sd / √S inside ± margin, each test at 5 %",
        "Schuirmann 1987",
        "equivalence",
    ),
    Method(
        "sign-flip",
        "Sign-flip permutation",
        "A check of p that needs no normality; with few seeds it cannot be small. It stands in the downloaded table.",
        "share of the 2^S sign patterns with |Σ ± d_s| ≥ |Σ d_s|",
        "Fisher 1935; Phipson & Smyth 2010",
        "sign_flip",
    ),
    Method(
        "seeds-needed",
        "Seeds still needed",
        "For 80 % power at the effect seen. A range, since a few seeds tell the spread badly: the number at both ends of its chi-square interval.",
        "sd between sd · √((S − 1) / χ²(97.5 %)) and sd · √((S − 1) / χ²(2.5 %))",
        "noncentral t; Phillips 1990 for equivalence",
        "seeds_needed",
    ),
    Method(
        "alpha-spending",
        "Racing by alpha spending",
        "Looks were planned beforehand, and each spends a share of the error, so that stopping at a good moment does not raise it.",
        "share of look k: (n_k² − n_{k−1}²) / n_last²;  p = min p_k / share_k",
        "Kim & DeMets 1987; Jennison & Turnbull 1989",
        "alpha_shares, sequential_p",
    ),
    Method(
        "factorial",
        "Factorial contrasts",
        "Within each seed: the gain of a level over the first one, averaged over the other factors; an interaction is the difference of such "
        "differences. "
        "Then t over seeds.",
        "main: mean(y | level) − mean(y | first);  interaction: (y_11 − y_01) − (y_10 − y_00)",
        "Montgomery, Design and Analysis of Experiments",
        "factorial_effects",
    ),
    Method(
        "aliases",
        "Half a factorial",
        "With half of the cells, each main effect is mixed with interactions that this half cannot tell from it; they are named beside it.",
        "I = ± A B … K",
        "Box, Hunter & Hunter, Statistics for Experimenters",
        "fractional_effects",
    ),
    Method(
        "slope",
        "Least-squares slope per seed",
        "One slope along the sweep in each seed, then t over the seeds. It sees a straight line only.",
        "b_s = Σ (x − x̄) y_s / Σ (x − x̄)²;  mean(b_s) ± t(S − 1) · sd(b_s) / √S",
        "summary measures: Matthews et al. 1990",
        "trend",
    ),
    Method(
        "sample-splitting",
        "Sample splitting for the best of many",
        "The best of many arms looks better than it is on the runs that picked it. So validation picks it on one half of the seeds, and test "
        "measures it on the others.",
        "pick on seeds 1 … S/2;  estimate on seeds S/2 + 1 … S",
        "Cox 1975; Cawley & Talbot 2010",
        "best_of_sweep",
    ),
    Method(
        "prediction",
        "Prediction interval for one more run",
        "A number that a report printed is of one run. It is held against where one more run of ours, with another seed, would fall; that is "
        "wider than the interval of our mean. It knows of other seeds only, not of another split, another library or settings that are not told.",
        "m ± t(S − 1) · sd · √(1 + 1/S)",
        "Fisher 1935; Hahn & Meeker 1991",
        "prediction_interval",
    ),
    Method(
        "overlap",
        "Variance with overlapping splits",
        "Runs on splits of one data set share training images, so their differences are correlated and a plain t interval is too short.",
        "var(m) = (1 / S + n_held-out / n_train) · sd(d_s)²",
        "Nadeau & Bengio 2003",
        "compare(overlap=…)",
    ),
    Method(
        "by-chance",
        "Fixed and broken by chance",
        "How many images would look fixed, and how many broken, if both arms got each image right equally often; p is an image's share of right "
        "runs over both arms. Far more than that is the arm's doing.",
        "Σ over images of (p (1 − p))^S",
        "",
    ),
    Method(
        "churn",
        "Churn",
        "The share of images on which two runs predict different classes, whether right or wrong, averaged over pairs of runs.",
        "mean over pairs of #{i: prediction_a(i) ≠ prediction_b(i)} / N",
        "Milani Fard et al. 2016",
    ),
    Method(
        "wilson",
        "Wilson interval of a share",
        "Where a class's accuracy would lie with other images of the class. It is as wide as that of one run, since all runs see the same images.",
        "(p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n)",
        "Wilson 1927",
        "class_accuracies",
    ),
    Method(
        "calibration",
        "Expected calibration error",
        "How far confidence and accuracy lie apart: images are put into 15 bins of equal width by the probability of the predicted class. "
        "A perfectly calibrated network does not get 0 with few images.",
        "Σ_b n_b / N · |accuracy_b − confidence_b|",
        "Naeini et al. 2015; Guo et al. 2017",
        "expected_calibration_error",
    ),
    Method(
        "temperature",
        "Temperature scaling",
        "One number that all logits are divided by; fitted on validation, judged on test. It changes no prediction.",
        "softmax(z / T), T of the least cross-entropy on validation",
        "Guo et al. 2017",
    ),
    Method(
        "thresholds",
        "ROC and precision-recall",
        "Two classes told apart at every threshold of the second one's probability.",
        "ROC: true against false positive rate; PR: precision against recall; average precision: Σ (R_k − R_{k−1}) P_k",
        "scikit-learn: roc_curve, precision_recall_curve",
    ),
)
NAMES = {method.name: method for method in EVERY}


def used(names: Iterable[str]) -> list[Method]:
    """The methods of these names, each once, in the order of `EVERY`; names that no method has are left to whoever wrote them."""
    wanted = set(names)
    return [method for method in EVERY if method.name in wanted]
