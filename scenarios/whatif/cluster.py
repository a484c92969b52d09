"""Playing on a Dask cluster. The scheduler hands a run of a worker that has gone to another; a run that ended twice is kept once.

Runs are handed out a few for each thread at a time, so that a million do not lie in the scheduler's memory. Each worker unpacks the plan once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

from scenarios.whatif.play import Plan, code_version, play, unpacked
from twin.errors import BatchtwinError

WAIT_S = 10  # for the scheduler, and for a first worker
AHEAD = 4  # runs for each thread that are handed out


_plan = lru_cache(maxsize=2)(unpacked)


def play_one(packed: bytes, number: int) -> dict[str, Any]:
    """What a worker does; it refuses a plan of another version."""
    try:
        plan = _plan(packed)
    except BatchtwinError as error:
        return {"refused": str(error.fields.get("theirs", error))}
    return play(plan, number)


def play_there(plan: Plan, numbers: Iterable[int], address: str) -> Generator[dict[str, Any], None, None]:
    """Rows of runs, as they end on the workers of a scheduler.

    Raises:
        BatchtwinError: E503 when there is no scheduler, or it has no workers; E504 for workers of another version; E506 without `distributed`.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ModuleNotFoundError:
        raise BatchtwinError("E506", what="--scheduler", package="distributed", extra="cluster") from None
    try:
        client = Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise BatchtwinError("E503", address=address, problem=_reason(error)) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError:
            raise BatchtwinError("E503", address=address, problem="it has no workers") from None
        _same_version(client)
        todo, packed = iter(numbers), plan.packed()  # goes with each run: a worker that dies takes nothing with it that others need
        pending: dict[Any, int] = {}

        def hand_out(n: int) -> list[Any]:
            futures = []
            for number in islice(todo, n):
                futures.append(client.submit(play_one, packed, number, key=f"batchtwin-{plan.key(number)}"))
                pending[futures[-1].key] = number
            return futures

        running = as_completed(hand_out(AHEAD * max(sum(client.nthreads().values()), 1)), loop=client.loop)
        for future in running:
            number = pending.pop(future.key)
            if future.status == "cancelled":
                raise BatchtwinError("E503", address=address, problem="it has gone")
            try:
                row = future.result()
            except KilledWorker:
                row = plan.about(number) | {"state": "failed", "error": "several workers ended while they played it", "wall_s": None}
            if "refused" in row:
                raise BatchtwinError("E504", worker="that came later", theirs=row["refused"], ours=code_version())
            yield row
            for more in hand_out(1):
                running.add(more)


def _reason(error: BaseException) -> str:
    """One short line of why."""
    text = " ".join(str(error).split())
    return "no answer" if isinstance(error, TimeoutError) or "Timed out" in text else text[:120] or type(error).__name__


def _same_version(client: Any) -> None:
    """Refuse workers of another version."""
    try:
        found = client.run(code_version, on_error="return")
    except ModuleNotFoundError as error:
        raise BatchtwinError("E504", worker="there", theirs=f"none ({error})", ours=code_version()) from None
    for worker, theirs in found.items():
        if theirs != code_version():
            shown = theirs if isinstance(theirs, str) else f"none ({_reason(theirs)})"
            raise BatchtwinError("E504", worker=worker, theirs=shown, ours=code_version())
