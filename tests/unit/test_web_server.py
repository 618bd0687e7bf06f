"""A slow client on a server with short limits: cut off in time, in process and on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn

from monitoring.web import server


class Hasty(server.LimitedConnection):
    request_limit_s = 0.3
    max_connections = 3


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def never(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(3600)


async def serving(app: Any) -> tuple[uvicorn.Server, asyncio.Task[None], int]:
    config = server.config(app, "127.0.0.1", 0)
    config.http, config.loop = Hasty, "asyncio"
    running = uvicorn.Server(config)
    task = asyncio.create_task(running._serve())
    while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    return running, task, running.servers[0].sockets[0].getsockname()[1]


async def stop(running: uvicorn.Server, task: asyncio.Task[None]) -> None:
    running.should_exit = running.force_exit = True
    await asyncio.wait_for(task, 30)


@pytest.mark.parametrize(
    ("app", "begins_with"), [(answer, b"GET / HTTP/1.1\r\nhost"), (never, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
    ids=["half a request", "an answer that never comes"],
)  # fmt: skip
def test_a_request_that_does_not_end_in_time_is_cut_off(app: Any, begins_with: bytes) -> None:
    async def scene() -> bytes:
        running, task, port = await serving(app)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begins_with)
        try:
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            await stop(running, task)

    assert asyncio.run(scene()) == b""


def test_the_connection_idle_for_longest_makes_room() -> None:
    async def scene() -> tuple[list[bool], bytes]:
        running, task, port = await serving(answer)
        held = []
        for _ in range(4):
            held.append(await asyncio.open_connection("127.0.0.1", port))
            await asyncio.sleep(0.02)
        reader, writer = held[-1]
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        served = await asyncio.wait_for(reader.readuntil(b"ok"), 30)
        gone = []
        for other, _ in held[:-1]:
            try:
                gone.append(await asyncio.wait_for(other.read(1), 0.02) == b"")
            except ConnectionError:
                gone.append(True)
            except TimeoutError:
                gone.append(False)
        for _, each in held:
            each.close()
        await stop(running, task)
        return gone, served

    gone, served = asyncio.run(scene())
    assert gone[0] is True
    assert served.endswith(b"ok")
