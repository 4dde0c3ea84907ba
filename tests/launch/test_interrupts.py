import signal
import threading

from farsighted.launch.interrupts import told_of_interrupts


def test_ctrl_c_is_a_call_inside_the_block_and_what_it_was_behind_it():
    heard, before = [], signal.getsignal(signal.SIGINT)
    with told_of_interrupts(lambda: heard.append("stop")):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert heard == ["stop", "stop"]
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside():
        with told_of_interrupts(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join(30)
    assert seen == [before]
