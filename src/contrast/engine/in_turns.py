"""Several runs in one process, each in its own words and on its own thread, that meet for the gradients of every step.

One thread works at a time, in turns: a run goes on until it asks for gradients, then the next one does; when all have
asked, `contrast.engine.stacked` computes what they asked for. So nothing that a run does has to know of the others, and
runs may begin, end, or stand at different steps.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from torch import Tensor

from contrast.engine.stacked import Answer, Stacks
from contrast.engine.stacked_layers import reason_against
from contrast.engine.step import ELSEWHERE, Asked, alone

Carry = Callable[[], None]


class Left(BaseException):
    """The others won't come any more; unwinds a run like Ctrl-C, so that locks are let go."""


class Run:
    """A run on a thread of its own that works only while it has its turn.

    Args:
        carry: carries it out; its steps ask through `contrast.engine.step.gradients`.
    """

    def __init__(self, carry: Carry) -> None:
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._asked: Asked | None = None
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._leaving = False
        self._thread = threading.Thread(target=self._work, args=(carry,), name="contrast run")

    def go_on(self, answer: Answer | None = None) -> Asked | None:
        """Let it work until it asks for gradients; None where it has ended.

        Args:
            answer: what it asked for before.

        Raises:
            BaseException: what its work raised.
        """
        if not self._has_begun:
            self._thread.start()
        self._answer = answer
        self._turn.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error
        return self._asked

    def leave(self) -> None:
        """Let it end where it next asks for gradients, or now where it waits for them."""
        self._leaving = True
        self._turn.release()

    def wait(self) -> None:
        """Wait until it has ended."""
        if self._has_begun:
            self._thread.join()

    @property
    def _has_begun(self) -> bool:
        return self._thread.ident is not None

    def _work(self, carry: Carry) -> None:
        ELSEWHERE.set(self._gradients)
        self._turn.acquire()
        try:
            carry()
        except Left:
            pass
        except BaseException as error:
            self._error = error
        self._asked = None
        self._back.release()

    def _gradients(self, asked: Asked) -> Tensor:
        self._asked = asked
        self._back.release()
        self._turn.acquire()
        if self._leaving:
            raise Left
        answer, self._answer = self._answer, None
        assert answer is not None
        if isinstance(answer, Exception):
            raise answer
        return answer


def carry_out(works: Sequence[Carry], at_most: int, note: Callable[[str], None]) -> None:
    """Carry runs out, some at a time, those of one shape stacked; when one ends, the next begins.

    A run whose network can't be stacked is carried to its end by itself.

    Args:
        works: each carries one run out and raises nothing for a run that failed.
        at_most: runs that are under way at a time.
        note: is told why a network can't be stacked, each reason once.

    Raises:
        BaseException: what a work raised; the others end at their last checkpoints, as with Ctrl-C.
    """
    runs: list[Run] = []
    try:
        _in_turns(deque(works), at_most, runs, _once(note))
    finally:
        for run in runs:
            run.leave()
        for run in runs:
            run.wait()


def _in_turns(waiting: deque[Carry], at_most: int, runs: list[Run], note: Callable[[str], None]) -> None:
    stacks, asked = Stacks(), dict[Run, Asked]()
    while waiting or asked:
        while waiting and len(asked) < at_most:
            run = Run(waiting.popleft())
            runs.append(run)
            first = _begun(run, note)
            if first is not None:
                asked[run] = first
        answers = stacks.gradients(list(asked.values()))
        following = {run: run.go_on(answer) for run, answer in zip(asked, answers, strict=True)}
        asked = {run: question for run, question in following.items() if question is not None}
        runs[:] = asked


def _begun(run: Run, note: Callable[[str], None]) -> Asked | None:
    """What a run asks first; None where it has ended, by itself if its network can't be stacked."""
    asked = run.go_on()
    if asked is None:
        return None
    asked.machine.prepare()  # threads are set for each thread apart, and gradients are computed on this one
    reason = reason_against(asked.model)
    if reason is None:
        return asked
    note(f"{reason}, so runs of this network are carried out one by one")
    while asked is not None:
        asked = run.go_on(_answered(asked))
    return None


def _answered(asked: Asked) -> Answer:
    try:
        return alone(asked)
    except Exception as error:  # the run tells it
        return error


def _once(note: Callable[[str], None]) -> Callable[[str], None]:
    told = set[str]()

    def noted(line: str) -> None:
        if line not in told:
            told.add(line)
            note(line)

    return noted
