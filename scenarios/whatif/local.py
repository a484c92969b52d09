"""Playing on the cores of this machine: workers forked from a process that has imported everything and loaded the kernels.

A fork has the plan already, so numbers go to a worker and rows come back. A worker that dies (out of memory, say) takes one run with it: that
run is tried once more in a new worker, then it is a row that says so.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from scenarios.whatif.play import Plan, play

Player = Callable[[Plan, int], dict[str, Any]]
FORK = get_context("fork")
TRIES = 2


class _Worker:
    """A forked process and what it plays."""

    def __init__(self, plan: Plan, player: Player) -> None:
        self.pipe, far = FORK.Pipe()
        self.number: int | None = None
        self.process: ForkProcess = FORK.Process(target=_work, args=(far, self.pipe, plan, player), daemon=True)
        self.process.start()
        far.close()

    def give(self, number: int | None) -> None:
        self.number = number
        self.pipe.send(number)


def _work(pipe: Connection, parents: Connection, plan: Plan, player: Player) -> None:
    """A worker's life: a number in, a row out; ends when the parent has gone."""
    parents.close()
    for low, high in ((3, pipe.fileno()), (pipe.fileno() + 1, 65536)):  # none of the parent's locks and other workers' pipes
        os.closerange(low, high)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while (number := pipe.recv()) is not None:
            pipe.send(player(plan, number))
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def play_here(plan: Plan, numbers: Iterable[int], cores: int, player: Player = play) -> Generator[dict[str, Any], None, None]:
    """Rows of runs, as they end.

    Args:
        cores: workers, 1 or more.
        player: what a worker does for a number.
    """
    if player is play:
        warm(plan)
    todo, tries = iter(numbers), dict[int, int]()
    again: deque[int] = deque()
    gc.collect()
    gc.freeze()  # what is shared with the workers is not touched by their collector
    workers: list[_Worker] = []

    def following() -> int | None:
        return again.popleft() if again else next(todo, None)

    try:
        for _ in range(cores):
            number = following()
            if number is None:
                break
            workers.append(_Worker(plan, player))
            workers[-1].give(number)
        while workers:
            ready = wait([w.pipe for w in workers])
            for worker in [w for w in workers if w.pipe in ready]:
                number = worker.number
                assert number is not None
                try:
                    row = worker.pipe.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    tries[number] = tries.get(number, 0) + 1
                    row = None if tries[number] < TRIES else died(plan, number, worker.process.exitcode)
                    if row is None:
                        again.append(number)
                    workers[workers.index(worker)] = worker = _Worker(plan, player)
                coming = following()
                if coming is None:
                    worker.give(None)
                    workers.remove(worker)
                else:
                    worker.give(coming)
                if row is not None:
                    yield row
    finally:
        gc.unfreeze()
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def died(plan: Plan, number: int, code: int | None) -> dict[str, Any]:
    """The row of a run that takes its process with it."""
    return plan.about(number) | {
        "state": "failed",
        "error": f"the process that played it ended (code {code}), {TRIES} times",
        "wall_s": None,
    }


def warm(plan: Plan) -> None:
    """Load the kernels before the fork, by the first second of a run. What is wrong with a run is for its row to say."""
    from scenarios.simulation import Simulation

    base = plan.bases[0]
    Simulation(base.scenario, base.design, until_s=1.0).run()
