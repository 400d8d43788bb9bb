"""The address at which the server answers a moved control (live_answers.py); loaded at start, so it brings no lab along."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "live/pictures"


async def answer(request: Request) -> Response:
    from screens.parts.live_answers import pictures_at

    nothing = Response(status_code=404)
    if request.headers.get("x-attend") != "live":  # a header that no page of another site may send along: none makes this machine compute
        return nothing
    given = dict(request.query_params)
    try:
        found = await run_in_threadpool(pictures_at, given.pop("lab", ""), given)
    except Exception:  # the screen meets the same problem and says it in words
        return nothing
    return nothing if found is None else Response(found, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


ROUTES = [Route(f"/{PATH}", answer)]
