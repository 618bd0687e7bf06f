"""Asks the kernel whether something keeps the wall clock right. For the host monitor and `doctor`; changes nothing."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

_MICROSECONDS = 1_000_000
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of linux/timex.h


@dataclass(frozen=True, slots=True)
class KernelClock:
    """Whether the clock is synchronized; `max_error_s` is the kernel's own bound, where it has one."""

    synchronised: bool
    max_error_s: float | None
    source: str


class _Timex(ctypes.Structure):
    """The first members of `struct timex` (adjtimex(2)), and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def ask_kernel_clock() -> KernelClock:
    """Read the kernel's clock discipline by adjtimex(2), changing nothing.

    Raises:
        OSError: this process may not ask.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):
        raise OSError(0, "no adjtimex in this C library")
    timex = _Timex()
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return KernelClock(
        synchronised=not timex.status & _UNSYNCHRONISED,
        max_error_s=timex.maxerror / _MICROSECONDS,
        source="the kernel",
    )
