"""Requests that arrive together are translated together.

While a batch is translated, others wait; when it is done, all that wait and want the same are the next batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mt.errors import UserError
from mt.translation.pipeline import Request
from mt.translation.result import Translation
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
Found = list[list[Translation]]
"""the best translations of each line, best first"""
PATIENCE = 0.1
"""fraction of a batch's time to wait for as many requests as it had: who gets an answer often sends the next request"""
LOOK_SECONDS = 0.001
"""between looks whether so many have arrived"""
SECONDS_TO_END = 1.0
"""for a batch whose requests have been given up, when the server ends"""
MAX_LINES = 256
"""largest number of lines in a batch, unless a single job has more"""


class QueueFull(Exception):
    """Too many lines are waiting already."""


class Abandoned(Exception):
    """Nobody waits for the lines any longer."""


@dataclass(frozen=True)
class Options:
    """Options of a translation; only lines with the same options are translated together."""

    request: Request
    src_lang: str | None = None
    """source language, for a multilingual model"""
    tgt_lang: str | None = None
    tag: str | None = None
    """the kind of text, one that the model was trained with"""


@dataclass(frozen=True)
class Job:
    """Lines that somebody waits for."""

    lines: list[str]
    options: Options
    found: asyncio.Future[Found]


class Batcher:
    """A translator in a thread of its own, and the jobs that wait for it."""

    def __init__(self, translator: Translator, max_queue: int) -> None:
        """`max_queue`: most lines that may wait."""
        self.translator = translator
        self.max_queue = max_queue
        self.waiting: deque[Job] = deque()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="translate")
        self.worker: asyncio.Task[None] | None = None
        self.is_busy = False
        """whether the thread is translating"""

    @property
    def n_waiting(self) -> int:
        """Number of lines that somebody still waits for."""
        return sum(len(job.lines) for job in self.waiting if not job.found.done())

    async def translate(self, lines: list[str], options: Options) -> Found:
        """Return the translations of lines.

        If the caller is cancelled, lines that still wait are not translated.

        Raises:
            QueueFull: too many lines wait already.
            UserError: the lines cannot be translated in this way.
        """
        if self.n_waiting and self.n_waiting + len(lines) > self.max_queue:
            raise QueueFull
        job = Job(lines, options, asyncio.get_running_loop().create_future())
        self.waiting.append(job)
        if self.worker is None or self.worker.done():
            self.worker = asyncio.create_task(self.work())
        return await job.found

    async def work(self) -> None:
        """Translate until nothing waits."""
        while jobs := self.next_batch():
            start = time.monotonic()
            await self.translate_jobs(jobs)
            await self.wait_for_more(len(jobs), time.monotonic() - start)

    async def wait_for_more(self, n_jobs: int, seconds: float) -> None:
        """Wait for as many jobs as the last batch had, which took so long, but not for as long."""
        end = time.monotonic() + PATIENCE * seconds
        while sum(not job.found.done() for job in self.waiting) < n_jobs and time.monotonic() < end:
            await asyncio.sleep(LOOK_SECONDS)

    def next_batch(self) -> list[Job]:
        """Take the oldest job and others with the same options from the queue; without those that were cancelled."""
        jobs: list[Job] = []
        others: list[Job] = []
        n_lines = 0
        for job in self.waiting:
            if job.found.done():
                continue
            fits = not jobs or (job.options == jobs[0].options and n_lines + len(job.lines) <= MAX_LINES)
            (jobs if fits else others).append(job)
            n_lines += len(job.lines) if fits else 0
        self.waiting = deque(others)
        return jobs

    async def translate_jobs(self, jobs: Sequence[Job]) -> None:
        """Translate jobs together, and answer each."""
        lines = [line for job in jobs for line in job.lines]
        loop = asyncio.get_running_loop()
        try:
            found = iter(await loop.run_in_executor(self.thread, self.translate_now, lines, jobs))
        except Abandoned:
            return
        except Exception as error:
            if len(jobs) > 1:  # only one of them may be to blame
                for job in jobs:
                    await self.translate_jobs([job])
                return
            if not isinstance(error, UserError):
                log.exception("A request failed.")
            if not jobs[0].found.done():
                jobs[0].found.set_exception(error)
            return
        for job in jobs:
            own = [next(found) for _ in job.lines]
            if not job.found.done():
                job.found.set_result(own)

    def translate_now(self, lines: list[str], jobs: Sequence[Job]) -> Found:
        """Translate the lines of jobs in this thread; raise `Abandoned` once nobody waits for them."""

        def check(_: float) -> None:
            if all(job.found.done() for job in jobs):
                raise Abandoned

        options, usual = jobs[0].options, self.translator.on_progress
        self.is_busy, self.translator.on_progress = True, check
        try:
            self.translator.set_direction(options.src_lang, options.tgt_lang, options.tag)
            return self.translator.translate_texts(lines, options.request)
        finally:
            self.is_busy, self.translator.on_progress = False, usual

    async def close(self) -> None:
        """End the work; a batch that nobody waits for any longer may go on for a while."""
        if self.worker is not None:
            await asyncio.wait({self.worker}, timeout=SECONDS_TO_END)
        self.thread.shutdown(wait=False, cancel_futures=True)
