"""A factory of data sets that lies outside the package, as an ingredient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr

from contrast.catalog import check_writable
from contrast.errors import ContrastError, InputError
from contrast.images import PARTS, Images
from contrast.protocols import DataIngredient, Places, Share
from contrast.torch_images import images_of, together


class OutsideData(DataIngredient):
    """What a factory gives: a torch `Dataset` of (image, label), or a mapping of ``train``, ``validation`` and ``test`` to such.

    The factory's keyword arguments are settings beside those that every data set has.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    test: Share | None = Field(default=0.2, description="held out for the end where there is no test part: count or fraction")

    _target: str = PrivateAttr()
    _factory: Callable[..., Any] = PrivateAttr()

    @classmethod
    def of(cls, target: str, factory: Callable[..., Any], settings: Mapping[str, Any]) -> OutsideData:
        """Make the ingredient.

        Raises:
            InputError: settings can't be written to a file.
        """
        check_writable(settings)
        made = cls(**settings)
        made._target, made._factory = target, factory
        return made

    @property
    def use(self) -> str:
        return self._target

    def read(self, places: Places) -> Images:
        """Call the factory and read what it gives through once; `places` is not needed.

        Raises:
            InputError: the factory fails, or does not give images and labels.
        """
        try:
            given = self._factory(**(self.model_extra or {}))
        except ContrastError:
            raise
        except Exception as error:  # whatever the factory does
            raise InputError(f"the factory fails: {type(error).__name__}: {error}", where=self._target, right="mend it or its settings") from error
        if not isinstance(given, Mapping):
            return images_of(given, self._target)
        unknown = sorted(str(part) for part in given if part not in PARTS)
        if unknown or "train" not in given:
            told = f"it gives the part {unknown[0]!r}" if unknown else "it gives no part 'train'"
            raise InputError(told, where=self._target, right=f"call the parts {', '.join(PARTS)}")
        return together([images_of(given[part], self._target, part) for part in PARTS if part in given], self._target)


FROM_FACTORY = OutsideData.of
"""How a factory from outside becomes an ingredient of this folder's kind; `contrast.catalog` looks for this name."""
