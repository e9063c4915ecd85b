"""Signals that ask to stop, or raise an exception."""

import os
import signal
import threading

import pytest

from alexnet_tf.training import signals


@pytest.mark.parametrize('number', signals.STOP_SIGNALS)
def test_the_first_signal_is_a_request_and_the_next_one_acts_as_before(number, monkeypatch):
    monkeypatch.setattr(signals, '_SAME_SECS', 0)
    calls = []
    with signals.handle(number, lambda *_: calls.append(number)):
        with signals.stop_requests() as stop:
            assert not stop
            os.kill(os.getpid(), number)
            assert stop
            assert stop.number == number
            assert calls == []
            os.kill(os.getpid(), number)
            assert calls == [number]
        os.kill(os.getpid(), number)
        assert calls == [number, number]


def test_a_sigterm_of_several_senders_is_one_request():
    calls = []
    before = signals.handle(signal.SIGTERM, lambda *_: calls.append('before'))
    with before, signals.stop_requests() as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
    assert calls == []


def test_without_a_signal_the_handlers_are_restored():
    before = [signal.getsignal(number) for number in signals.STOP_SIGNALS]
    with signals.stop_requests():
        assert [signal.getsignal(number) for number in signals.STOP_SIGNALS] != before
    assert [signal.getsignal(number) for number in signals.STOP_SIGNALS] == before


def test_a_signal_raises_the_exception_in_the_block_only():
    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt), signals.raise_on(signal.SIGHUP, KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_signal_that_the_process_ignores_raises_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raise_on(signal.SIGHUP, KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_of_the_main_thread_no_handler_is_installed():
    requests = []

    def wait():
        with signals.stop_requests() as stop:
            requests.append(bool(stop))

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert requests == [False]


def test_the_exit_status_is_128_plus_the_number_of_the_signal():
    stopped = signals.Stopped(signal.SIGTERM)
    assert stopped.exit_code == 143
    assert str(stopped) == 'stopped by SIGTERM; saved; the same command resumes'


def test_a_stop_by_hand_names_the_key_and_the_step():
    stopped = signals.Stopped(signal.SIGINT, 1200)
    assert stopped.exit_code == 130
    assert str(stopped) == 'stopped by Ctrl-C; saved at step 1,200; the same command resumes'
