"""What is no failure of the code that was called: its task is cancelled, or the process ends."""

import asyncio

__all__ = ["NO_FAILURES", "reraise_cancellation"]

NO_FAILURES: tuple[type[BaseException], ...] = (GeneratorExit, KeyboardInterrupt, SystemExit)
"""What ends a coroutine or the process. All else that handlers, hooks and middleware raise is told and logged."""


def reraise_cancellation(error: BaseException | None = None) -> None:
    """Raise *error* again if it is the cancellation of the running task; something awaited may have been cancelled too.

    Without an error it raises CancelledError if the task was cancelled and did not end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() and (error is None or isinstance(error, asyncio.CancelledError)):
        raise error or asyncio.CancelledError
