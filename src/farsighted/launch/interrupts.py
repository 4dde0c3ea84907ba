"""Ctrl-C as a call, so that it arrives between two pieces of work."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def told_of_interrupts(on_interrupt: Callable[[], None]) -> Iterator[None]:
    """Call a function at Ctrl-C for as long as the block lasts, in place of what was done before.

    Only the main thread can be asked for signals: in another thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: on_interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
