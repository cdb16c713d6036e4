"""A study's tables inside its page: written as JSON that no HTML parser can leave early, read back without running anything."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast import study_updates
from contrast.errors import InputError, nearest
from contrast.report.tables import plain
from contrast.study_designs import answers, table
from contrast.study_metrics import judged
from contrast.study_tables import MC_DROPOUT, StudyTables, designs_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison
    from contrast.report.answers import Answers
    from contrast.report.drawings import Figure, Figures
    from contrast.study_tables import Judged, Outcomes

    Predictions = dict[str, dict[int, NDArray[np.int32]]]

ELEMENT = "contrast-tables"
FORMAT = "contrast report 1"
TABLES = ("status", "runs", "epochs", "search", "calibration", "mc_dropout", "updates")
WIDTHS = {1: "<u1", 2: "<u2", 4: "<i4"}
"""Bytes that one class takes in a packed block → its type; pages of the first release, which do not tell, took four."""
PICTURE = re.compile(r"data:image/(webp|png|jpeg);base64,[A-Za-z0-9+/]+=*")
"""What may stand as a picture in a page."""
MOST_BYTES = 1 << 30
"""No packed block of a page may claim to unpack to more."""


def packed(study: StudyTables) -> dict[str, Any]:
    """Everything that a page keeps of its study: lock, tables, and the prediction of every run for every image."""
    return {
        "format": FORMAT,
        "lock": study.lock,
        "warnings": study.warnings(),
        "environments": study.environments(),
        "tables": {name: columns(getattr(study, name)()) for name in TABLES},
        "images": {part: _packed_images(study.images(part)) for part in ("test", "validation")},
        "evidence": {},
        "pictures": {},
        "no_pictures": "",
    }


def columns(frame: pd.DataFrame) -> dict[str, Any]:
    """A table as ``{"columns": {name: [values]}, "types": {name: dtype}}``; None for what is missing."""
    return {
        "columns": {str(name): [plain(value) for value in frame[name].tolist()] for name in frame.columns},
        "types": {str(name): str(frame[name].dtype) for name in frame.columns},
    }


def in_html(content: Any) -> str:
    """JSON for a script element: ASCII only, and without the characters that could end the element."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed_images(images: pd.DataFrame) -> list[dict[str, Any]]:
    """Groups of runs that were judged on the same images in the same order; all but labels and predictions stays in the folders."""
    groups: dict[tuple[tuple[str, ...], bytes], dict[str, Any]] = {}
    width = _width(images)
    for (arm, seed), rows in images.groupby(["arm", "seed"], sort=False):
        ids, labels = tuple(rows["id"]), _bytes(rows["label"], width)
        if (ids, labels) not in groups:
            shared = {"count": len(ids), "width": width, "ids": _deflated(json.dumps(ids).encode()), "labels": _deflated(labels)}
            groups[ids, labels] = shared | {"runs": []}
        groups[ids, labels]["runs"].append({"arm": arm, "seed": int(str(seed)), "predictions": _deflated(_bytes(rows["prediction"], width))})
    return list(groups.values())


def _width(images: pd.DataFrame) -> int:
    """Bytes that one class needs."""
    if images.empty:
        return 1
    columns = images[["label", "prediction"]]
    least, greatest = int(columns.min().min()), int(columns.max().max())
    return next((width for width in (1, 2) if least >= 0 and greatest < 256**width), 4)


def _bytes(values: pd.Series[int], width: int) -> bytes:
    return bytes(values.to_numpy().astype(WIDTHS[width]).tobytes())


def _deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def _inflated(text: str, most: int = MOST_BYTES) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), most)
    except (ValueError, zlib.error) as error:
        raise InputError("a packed block in the page is damaged", right="write the page again with `contrast report`") from error
    if not stream.eof:
        raise InputError("a packed block in the page is damaged: it is longer than it should be", right="write the page again with `contrast report`")
    return content


def _integers(group: Mapping[str, Any], text: str) -> NDArray[np.int32]:
    """The classes in a packed block of a group of runs."""
    import numpy as np

    count, width = int(group["count"]), int(group.get("width", 4))
    if width not in WIDTHS or count < 0:
        raise InputError("a packed block in the page is damaged", right="write the page again with `contrast report`")
    content = _inflated(text, width * count + 1)
    if len(content) != width * count:
        raise InputError("a packed block in the page is damaged: it is too short", right="write the page again with `contrast report`")
    return np.frombuffer(content, dtype=WIDTHS[width]).astype(np.int32)


class Restored:
    """The tables of a study, read back from its page. What only the run folders hold (weights, steps, probabilities) is not here."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content
        self._frames: dict[str, pd.DataFrame] = {}
        self.lock: dict[str, Any] = content["lock"]

    def __repr__(self) -> str:
        return f"Restored({self.name!r})"

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.lock["name"])

    @property
    def arms(self) -> list[str]:
        """Names of the arms in the order of the plan."""
        return [str(arm["name"]) for arm in self.lock["arms"]]

    def _frame(self, name: str) -> pd.DataFrame:
        import pandas as pd

        if name not in self._frames:
            kept = self._content["tables"].get(name)
            if kept is None:
                raise InputError(f"the page holds no table {name!r}: an earlier release wrote it", right="write it again with `contrast report`")
            series = {column: pd.Series(values, dtype=kept["types"][column]) for column, values in kept["columns"].items()}
            self._frames[name] = pd.DataFrame(series)
        return self._frames[name].copy()

    def status(self) -> pd.DataFrame:
        """As `Results.status` was when the page was written."""
        return self._frame("status")

    def runs(self) -> pd.DataFrame:
        """As `Results.runs` was when the page was written."""
        return self._frame("runs")

    def epochs(self) -> pd.DataFrame:
        """As `Results.epochs` was when the page was written."""
        return self._frame("epochs")

    def mc_dropout(self) -> pd.DataFrame:
        """As `Results.mc_dropout` was when the page was written; empty in a page of an earlier release."""
        return self._later("mc_dropout", ["arm", "seed", *MC_DROPOUT])

    def updates(self) -> pd.DataFrame:
        """As `Results.updates` was when the page was written; empty in a page of an earlier release."""
        return self._later("updates", study_updates.COLUMNS)

    def _later(self, name: str, columns: list[str]) -> pd.DataFrame:
        """A table that pages hold since a later release than the first."""
        import pandas as pd

        return self._frame(name) if name in self._content["tables"] else pd.DataFrame(columns=columns)

    def warnings(self) -> list[str]:
        """As `Results.warnings` was when the page was written."""
        return list(self._content["warnings"])

    def environments(self) -> list[dict[str, Any]]:
        """As `Results.environments` was when the page was written."""
        return list(self._content["environments"])

    def images(self, part: str = "test") -> pd.DataFrame:
        """One row per image and run: arm, seed, id, label, prediction, right.

        Raises:
            InputError: there is no such part.
        """
        import pandas as pd

        frames = []
        for group in self._groups(part):
            labels, ids = _integers(group, group["labels"]), json.loads(_inflated(group["ids"]))
            for run in group["runs"]:
                prediction = _integers(group, run["predictions"])
                rows = {"arm": run["arm"], "seed": run["seed"], "id": ids, "label": labels, "prediction": prediction, "right": labels == prediction}
                frames.append(pd.DataFrame(rows))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "seed", "id", "label", "prediction", "right"])

    def outcomes(self, part: str = "test") -> Outcomes:
        """Arm → seed → right (1) or wrong (0) for each image, ``uint8 [N]``, for the runs that share the baseline's images.

        Raises:
            InputError: there is no such part.
        """
        import numpy as np

        kept: Outcomes = defaultdict(dict)
        for group in self._first_group(part):
            labels = _integers(group, group["labels"])
            for run in group["runs"]:
                kept[run["arm"]][int(run["seed"])] = (labels == _integers(group, run["predictions"])).astype(np.uint8)
        return {arm: kept[arm] for arm in self.arms if arm in kept}

    def _first_group(self, part: str) -> list[dict[str, Any]]:
        """The runs that share the baseline's images; all groups where each seed has images of its own."""
        groups = self._groups(part)
        if designs_of(self.lock, "splits").get("rotates") == part:
            return groups
        return ([group for group in groups if any(run["arm"] == self.lock["baseline"] for run in group["runs"])] or groups)[:1]

    def _groups(self, part: str) -> list[dict[str, Any]]:
        if part not in self._content["images"]:
            raise InputError(f"there is no part {part!r} with outcomes per image", right=nearest(part, self._content["images"]))
        return list(self._content["images"][part])

    def judged_images(self, part: str = "test") -> Iterator[Judged]:
        """As `Results.judged_images`.

        Raises:
            InputError: there is no such part.
        """
        for group in self._groups(part):
            labels = _integers(group, group["labels"])
            for run in group["runs"]:
                yield run["arm"], int(run["seed"]), labels, _integers(group, run["predictions"])

    def alike(self, part: str = "test") -> tuple[list[str], NDArray[np.int32], Predictions]:
        """Ids, labels and predictions (``int32 [N]`` each) of the images that the baseline was judged on, by all runs that share them.

        Where each seed has images of its own there are none that runs share, and all three are empty.

        Raises:
            InputError: there is no such part.
        """
        import numpy as np

        groups = [] if designs_of(self.lock, "splits").get("rotates") == part else self._first_group(part)
        kept: Predictions = defaultdict(dict)
        for group in groups:
            for run in group["runs"]:
                kept[run["arm"]][int(run["seed"])] = _integers(group, run["predictions"])
        ids = json.loads(_inflated(groups[0]["ids"])) if groups else []
        labels = _integers(groups[0], groups[0]["labels"]) if groups else np.zeros(0, dtype=np.int32)
        return ids, labels, {arm: kept[arm] for arm in self.arms if arm in kept}

    @property
    def evidence(self) -> dict[str, Any]:
        """What the page keeps of the run folders beyond tables (`contrast.evidence`); empty in a page that was written without."""
        return dict(self._content.get("evidence") or {})

    @property
    def beside_tables(self) -> dict[str, Any]:
        """All that the page keeps besides its tables, as it stands in it."""
        return {"evidence": self.evidence, "pictures": self.pictures, "no_pictures": self.no_pictures}

    @property
    def no_pictures(self) -> str:
        """Why the page shows no picture of a test image; empty where it does."""
        return str(self._content.get("no_pictures") or "")

    @property
    def pictures(self) -> dict[str, str]:
        """Image id → its small picture, as an address of the page's own; what is none, in a page that someone changed, is left out."""
        kept = self._content.get("pictures") or {}
        return {str(name): str(address) for name, address in kept.items() if PICTURE.fullmatch(str(address))}

    def losses(self, part: str = "test") -> Outcomes:
        """Nothing: the loss of each image stays in the run folders."""
        self._groups(part)
        return {}

    def labels(self, part: str = "test") -> NDArray[np.int32]:
        """As `Results.labels`.

        Raises:
            InputError: there is no such part.
        """
        import numpy as np

        return next((_integers(group, group["labels"]) for group in self._first_group(part)), np.zeros(0, dtype=np.int32))

    def calibration(self) -> pd.DataFrame:
        """As `Results.calibration` was when the page was written."""
        return self._frame("calibration")

    def search(self) -> pd.DataFrame:
        """As `Results.search` was when the page was written."""
        return self._frame("search")

    def table(self, by: str = "arm") -> pd.DataFrame:
        """The study as a table; see `Results.table`.

        Raises:
            InputError: there is no such table, or the study has no factorial.
        """
        return table(self, by)

    def designs(self, metric: str = "test_accuracy") -> Answers:
        """What the study's designs answer; see `Results.designs`."""
        from contrast.report.answers import Answers

        return Answers(answers(self, metric))

    def figures(self, arms: Collection[str] | None = None) -> Figures:
        """Every figure that the page has numbers for; see `Results.figures`."""
        from contrast.report.drawings import figures

        return figures(self, arms)

    def figure(self, name: str, arms: Collection[str] | None = None) -> Figure:
        """One figure; see `Results.figure`."""
        from contrast.report.drawings import figure

        return figure(self, name, arms)

    def _repr_html_(self) -> str:
        from contrast.report.notebook import study_html

        return study_html(self)

    def compare(self, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> Comparison:
        """Judge every arm against the baseline; see `Results.compare`."""
        return judged(self, metric, baseline, margin)


def restore(page: Path) -> Restored:
    """Read the tables out of a page that `Results.report` wrote.

    Raises:
        InputError: the page is none of ours, damaged, or of a later format.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=str(page), right=str(error).partition("\n")[0]) from error
    found = re.search(rf'<script type="application/json" id="{ELEMENT}">(.*?)</script>', text, re.DOTALL)
    if found is None:
        raise InputError("holds no tables of a study", where=str(page), right="give a page that `contrast report` wrote")
    try:
        content = json.loads(found[1])
    except (ValueError, RecursionError) as error:
        raise InputError("the tables in the page are damaged", where=str(page), right="write the page again with `contrast report`") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError("was written by another release", where=str(page), right=f"this one reads {FORMAT!r}")
    return Restored(content)
