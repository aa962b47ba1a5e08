"""A process that ends with whoever started it, however that one ends.

Linux only, where the kernel sends the signal; elsewhere nothing is asked for.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with(starter: int) -> None:
    """Have SIGTERM sent to this process when `starter`, its parent, ends; exit at once where that has happened.

    Asked by the child itself, first of all it does: the check closes the moment between its birth and the asking.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel refused the parent-death signal")
    if os.getppid() != starter:
        raise SystemExit(f"The process that started this one ({starter}) has ended already.")
