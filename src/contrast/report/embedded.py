"""A study's tables inside its page: written as JSON that no HTML parser can leave early, read back without running anything."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.report.tables import plain
from contrast.study_designs import answers, table
from contrast.study_metrics import judged
from contrast.study_tables import StudyTables, designs_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison
    from contrast.report.answers import Answers
    from contrast.study_tables import Judged, Outcomes

ELEMENT = "contrast-tables"
FORMAT = "contrast report 1"
TABLES = ("status", "runs", "epochs", "search", "calibration")
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
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for (arm, seed), rows in images.groupby(["arm", "seed"], sort=False):
        ids = tuple(rows["id"])
        if ids not in groups:
            groups[ids] = {"count": len(ids), "ids": _deflated(json.dumps(ids).encode()), "labels": _deflated(_bytes(rows["label"])), "runs": []}
        groups[ids]["runs"].append({"arm": arm, "seed": int(str(seed)), "predictions": _deflated(_bytes(rows["prediction"]))})
    return list(groups.values())


def _bytes(values: pd.Series[int]) -> bytes:
    return bytes(values.to_numpy().astype("<i4").tobytes())


def _deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _inflated(text: str, most: int = MOST_BYTES) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), most)
    except (ValueError, zlib.error) as error:
        raise InputError("a packed block in the page is damaged", right="write the page again with `contrast report`") from error
    if not stream.eof:
        raise InputError("a packed block in the page is damaged: it is longer than it should be", right="write the page again with `contrast report`")
    return content


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
            labels, ids = self._integers(group["labels"], group["count"]), json.loads(_inflated(group["ids"]))
            for run in group["runs"]:
                prediction = self._integers(run["predictions"], group["count"])
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
            labels = self._integers(group["labels"], group["count"])
            for run in group["runs"]:
                kept[run["arm"]][int(run["seed"])] = (labels == self._integers(run["predictions"], group["count"])).astype(np.uint8)
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

    @staticmethod
    def _integers(text: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        import numpy as np

        return np.frombuffer(_inflated(text, 4 * count + 1), dtype="<i4", count=count).astype(np.int32)

    def judged_images(self, part: str = "test") -> Iterator[Judged]:
        """As `Results.judged_images`.

        Raises:
            InputError: there is no such part.
        """
        for group in self._groups(part):
            labels = self._integers(group["labels"], group["count"])
            for run in group["runs"]:
                yield run["arm"], int(run["seed"]), labels, self._integers(run["predictions"], group["count"])

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

        return next((self._integers(group["labels"], group["count"]) for group in self._first_group(part)), np.zeros(0, dtype=np.int32))

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
