"""The messages, stored in SQLite."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from examples.chat.bodies import Kind, Message
from moongate import Injectable

__all__ = ["LARGEST_ID", "MessageService"]

LARGEST_ID = 2**63 - 1
"""SQLite's."""

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room TEXT NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    sent_at REAL NOT NULL,
    UNIQUE (room, author, key)
) STRICT;
CREATE INDEX IF NOT EXISTS message_by_room ON message (room, id);
"""


@Injectable()
class MessageService:
    """Stores messages in the file that `CHAT_DATABASE` names, by default `chat.sqlite3` beside this module.

    All work is done in one thread of its own: the event loop never waits for the disk, and what was asked for first is
    answered first, so messages are emitted in the order of their ids.
    """

    def __init__(self) -> None:
        self._path = os.environ.get("CHAT_DATABASE") or Path(__file__).with_name("chat.sqlite3")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-database")
        self._database: sqlite3.Connection | None = None

    async def on_module_init(self) -> None:
        self._database = await self._run(self._open)

    async def on_application_shutdown(self) -> None:
        if self._database is not None:
            await self._run(self._database.close)
            self._database = None
        self._thread.shutdown()

    async def save(self, room: str, author: str, text: str, key: str, kind: Kind = "message") -> tuple[Message, bool]:
        """Store a message, unless it is there already; return it, and whether it is new."""
        return await self._run(lambda: self._save(room, author, text, key, kind))

    async def after(self, room: str, last_id: int, limit: int) -> list[Message]:
        """Return the first *limit* messages that came after *last_id*, the oldest first."""
        query = "SELECT * FROM message WHERE room = ? AND id > ? ORDER BY id LIMIT ?"
        return await self._run(lambda: self._select(query, room, last_id, limit))

    async def before(self, room: str, first_id: int, limit: int) -> list[Message]:
        """Return the last *limit* messages that came before *first_id*, the oldest first."""
        query = "SELECT * FROM message WHERE room = ? AND id < ? ORDER BY id DESC LIMIT ?"
        return (await self._run(lambda: self._select(query, room, first_id, limit)))[::-1]

    async def rooms(self) -> list[str]:
        """Return the names of all rooms that have messages, the most recent first."""
        query = "SELECT room FROM message GROUP BY room ORDER BY max(id) DESC"
        return await self._run(lambda: [room for (room,) in self._opened.execute(query)])

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        # With a write-ahead log, a message costs no wait for the disk, and other programs may read meanwhile.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(SCHEMA)
        return database

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("MessageService is not started: expected on_module_init to run before")
        return self._database

    def _save(self, room: str, author: str, text: str, key: str, kind: Kind) -> tuple[Message, bool]:
        insert = "INSERT OR IGNORE INTO message (room, author, text, key, kind, sent_at) VALUES (?, ?, ?, ?, ?, ?)"
        is_new = self._opened.execute(insert, (room, author, text, key, kind, time.time())).rowcount == 1
        query = "SELECT * FROM message WHERE room = ? AND author = ? AND key = ?"
        (message,) = self._select(query, room, author, key)
        return message, is_new

    def _select(self, query: str, *values: str | int) -> list[Message]:
        return [Message(*row) for row in self._opened.execute(query, values)]
