"""The previews in the browser: a list of them, and each as a mail with fields for its parameters."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from modernmail.inbox.previews import PreviewMailer

    from .pages import Pages


class Previews:
    """The pages of a `PreviewMailer`."""

    def __init__(self, mailer: PreviewMailer) -> None:
        self.mailer = mailer

    def routes(self, pages: Pages) -> list[BaseRoute]:
        """The addresses of the previews."""

        async def overview(request: Request) -> Response:
            previews = await asyncio.to_thread(lambda: self.mailer.previews)
            return await pages.page(request, None, {"previews": previews})

        async def one(request: Request) -> Response:
            return await self._one(request, pages)

        return [Route("/previews", overview), Route("/previews/{name}", one)]

    async def _one(self, request: Request, pages: Pages) -> Response:
        name = request.path_params["name"]
        preview = await asyncio.to_thread(self.mailer.get, name)
        if preview is None:
            raise HTTPException(404, f"no preview {name!r}")
        given = {
            key: value for key, value in request.query_params.items() if key not in {"view", "remote", "q"}
        }
        at = f"/previews/{name}?" + "".join(f"{urlencode({key: value})}&" for key, value in given.items())
        values: dict[str, Any] = {"preview": preview, "given": given, "trace": "", "at": at}
        try:
            mail = await asyncio.to_thread(self.mailer.render, name, given)
        except Exception:  # noqa: BLE001 - a fault of the user's function, shown to the user
            values["trace"] = traceback.format_exc()
            return await pages.page(request, None, values)
        summary = await asyncio.to_thread(pages.store.replace, mail)
        return await pages.page(request, pages.opened(summary, mail), values)
