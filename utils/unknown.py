"""`Unknown` as a monitor's function meets it: it goes through arithmetic unchanged and refuses to be decided upon.

Every reading of `m` that could not be had is one. A verb that is given one neither fires nor clears.
"""

from __future__ import annotations

from typing import Any, Never, TypeVar

from monitoring.chains.abi import values
from monitoring.conditions.values import UnknownError

__all__ = ["Unknown", "UnknownError", "known"]
T = TypeVar("T")


class Unknown(values.Unknown):
    """What stands in place of a value that could not be had. `reason` says why, `source` names what is to blame.

    Sums, ratios and parts of it are unknown for the same reason. Code that compares it, loops over it or asks whether
    it is true gets an `UnknownError`: there is no answer that would be safe.
    """

    __slots__ = ()

    def _same(self, *_: object) -> Unknown:
        return self

    def _refuse(self, *_: object) -> Never:
        raise UnknownError(self)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _same
    __getitem__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __iter__ = __len__ = __contains__ = __int__ = __float__ = _refuse

    def number(self, path: str) -> Unknown:  # noqa: ARG002 - as `Fields.number`
        """Return itself: no field of it is known either."""
        return self


def known(value: T | values.Unknown) -> Any:  # noqa: ANN401 - what it was, but for an Unknown
    """Return a value with its `Unknown` as a function may use it."""
    if isinstance(value, values.Unknown) and not isinstance(value, Unknown):
        return Unknown(value.reason, value.source)
    return value
