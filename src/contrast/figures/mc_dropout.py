"""Dropout at test time: accuracy of its schemes against the number of masks, with the spread over seeds and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrast.figures import _style
from contrast.figures._picture import Material, Picture, labelled, panels

if TYPE_CHECKING:
    import pandas as pd

ORDER = 24
SCHEMES = {"scaling": "baseline", "logits": "blue", "probabilities": "vermillion"}
WORDS = {"scaling": "weights scaled, no masks", "logits": "logits averaged", "probabilities": "probabilities averaged"}
COLUMNS = ["arm", "part", "measure", "scheme", "masks", "mean", "low", "high", "seeds", "repeats"]
MOST_PANELS = 6


def prepare(masks: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure.

    Args:
        masks: one row per arm, seed, part, scheme, number of masks and repeat, with its accuracy (`Results.mc_dropout`).

    Returns:
        One row per arm, part (test first), scheme and number of masks (0: weights scaled): `mean`, `low` and `high` (least and greatest)
        of the accuracy in percent over `seeds` runs with `repeats` sets of masks each. Empty where no study asked for it.
    """
    import pandas as pd

    if masks.empty:
        return pd.DataFrame(columns=COLUMNS)
    known = masks.assign(value=100.0 * masks["accuracy"].astype("float64")).dropna(subset="value")
    groups = known.groupby(["arm", "part", "scheme", "masks"], sort=False)
    table = groups.agg(mean=("value", "mean"), low=("value", "min"), high=("value", "max"), seeds=("seed", "nunique"), repeats=("repeat", "nunique"))
    places = {"arm": list(dict.fromkeys(masks["arm"])), "part": ["test", "validation"], "scheme": list(SCHEMES)}
    order = {column: {value: place for place, value in enumerate(values)} for column, values in places.items()}
    made = table.reset_index().sort_values([*order, "masks"], key=lambda column: column.map(order[column.name]) if column.name in order else column)
    return _measured(made.reset_index(drop=True))[COLUMNS]


def _measured(data: pd.DataFrame) -> pd.DataFrame:
    """With the name of each panel: the part, and the arm where there are several."""
    several = data["arm"].nunique() > 1
    return data.assign(measure=[f"{arm}, {part}" if several else str(part) for arm, part in zip(data["arm"], data["part"], strict=True)])


def draw(data: pd.DataFrame) -> Any:
    """Draw the accuracies, an `altair.Chart`: a panel for each measure in the data."""
    import altair as alt

    made = [_panel(group) for _, group in data.groupby("measure", sort=False)]
    return _style.finished(made[0] if len(made) == 1 else alt.concat(*made, columns=2))


def _panel(data: pd.DataFrame) -> Any:
    import altair as alt

    counts = sorted({int(count) for count in data["masks"]} - {0}) or [1]
    y = {"title": "accuracy, %", "scale": alt.Scale(zero=False), "axis": alt.Axis(tickCount=6)}
    axis = alt.Axis(values=counts, format="d", labelOverlap=True)
    scale = alt.Scale(type="log", base=2, domain=[counts[0], max(counts[-1], 2)], nice=False)
    color = alt.Color("scheme:N", scale=alt.Scale(domain=list(SCHEMES), range=[_style.COLORS[role] for role in SCHEMES.values()]), legend=None)
    base = alt.Chart(_over_all_counts(data, counts)).encode(x=alt.X("masks:Q", title="masks averaged over", scale=scale, axis=axis), color=color)
    bands = base.mark_area(opacity=0.14).encode(y=alt.Y("low:Q", **y), y2="high:Q")
    dash = alt.StrokeDash("scheme:N", scale=alt.Scale(domain=list(SCHEMES), range=[[1, 0], [1, 0], [5, 3]]), legend=None)
    lines = base.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q", **y), strokeDash=dash)
    drawn = base.transform_filter("datum.scheme != 'scaling'")
    dots = drawn.mark_point(filled=True, size=46, opacity=1, stroke=_style.PAPER, strokeWidth=1).encode(y=alt.Y("mean:Q", **y))
    title = alt.TitleParams(str(data["measure"].iloc[0]), anchor="start", fontSize=12, fontWeight="normal", color=_style.INK, offset=8)
    return alt.layer(bands, lines, dots).properties(width=390, height=240, title=title)


def _over_all_counts(data: pd.DataFrame, counts: list[int]) -> pd.DataFrame:
    """The line of the scaled weights, which has no masks, from one end of the axis to the other."""
    import pandas as pd

    scaled, drawn = data[data["scheme"] == "scaling"], data[data["scheme"] != "scaling"]
    return pd.concat([scaled.assign(masks=counts[0]), scaled.assign(masks=max(counts[-1], 2)), drawn], ignore_index=True)


def pictures(material: Material) -> list[Picture]:
    """One picture, where a finished run averaged over masks; of many arms the first."""
    data = prepare(material.study.mc_dropout())
    if data.empty:
        return []
    drawn = _measured(labelled(data))
    wanted = list(dict.fromkeys(drawn["measure"]))[:MOST_PANELS]
    left_out = f" Drawn are the first {MOST_PANELS} of {drawn['measure'].nunique()} panels." if drawn["measure"].nunique() > MOST_PANELS else ""
    seeds, repeats = int(data["seeds"].max()), int(data["repeats"].max())
    caption = (
        f"Accuracy with dropout at test time against the number of random masks. Band: least to greatest over {seeds} seeds and {repeats} sets "
        f"of masks.{left_out}"
    )
    svg = panels(drawn[drawn["measure"].isin(wanted)], draw, "masks", "accuracy against the number of masks")
    keys = tuple((WORDS[scheme], role) for scheme, role in SCHEMES.items() if (data["scheme"] == scheme).any())
    return [Picture("mc-dropout", "Dropout at test time", caption, svg, data, keys, methods=("mean-range",))]
