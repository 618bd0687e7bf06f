"""The least that uvicorn can do: the bytes of one file for any request. Run: `python bare_uvicorn.py FILE PORT`."""

import sys
from pathlib import Path

import uvicorn

BODY = Path(sys.argv[1]).read_bytes()
HEAD = {
    "type": "http.response.start", "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))],
}  # fmt: skip


async def app(scope, receive, send):  # noqa: ANN001, ANN201, ARG001 - the interface of ASGI
    await send(HEAD)
    await send({"type": "http.response.body", "body": BODY})


uvicorn.run(app, port=int(sys.argv[2]), loop="uvloop", http="httptools", ws="none", lifespan="off", log_config=None)
