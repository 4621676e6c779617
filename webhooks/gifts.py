"""The doors through which a gift is seen: its page, and the pictures and sounds that messages and the page link to.

What cannot be fetched gets the same answer whatever the reason: never made, expired, forged, taken back.
"""

import hashlib
from base64 import b64encode
from typing import Protocol

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from bot.gift_page import Page
from circulation.media import Media
from webhooks import plain, provider_blueprint

STYLE = (
    "body{font-family:sans-serif;max-width:24em;margin:0 auto;padding:.5em}img{max-width:100%;height:auto}"
    ".code{image-rendering:pixelated}button,input{font-size:1.1em;padding:.4em}.alert{border-left:.3em solid;padding-left:.5em}"
)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
KEPT_SECONDS = 3600
"""How long a phone may keep a picture or sound: it may be taken back."""


class Pages(Protocol):
    """What `bot.gift_page.GiftPages` does."""

    @property
    def languages(self) -> list[str]: ...
    def fetched(self, token: str) -> Media | None: ...
    def part(self, token: str, file: str) -> Media | None: ...
    def show(self, token: str, language: str | None) -> Page | None: ...
    def answer(self, token: str, language: str | None, form: MultiDict[str, str]) -> Page | None: ...
    def no_more(self, token: str, language: str | None) -> Page | None: ...
    def wish(self, token: str, language: str | None, *, again: bool) -> Page | None: ...


def blueprint(pages: Pages) -> Blueprint:
    """The doors of pages and media. An `Unavailable` becomes a 503 that says so."""
    doors = provider_blueprint("gifts")

    def language() -> str | None:
        return request.accept_languages.best_match(pages.languages)

    @doors.get("/m/<token>/<file>")
    def media(token: str, file: str) -> Response:  # noqa: ARG001 - carriers want a file's name at the end
        return _media(pages.fetched(token))

    @doors.get("/g/<token>/<file>")
    def part(token: str, file: str) -> Response:
        return _media(pages.part(token, file))

    @doors.get("/g/<token>")
    def page(token: str) -> Response:
        return _page(pages.show(token, language()), f"/g/{token}")

    @doors.post("/g/<token>")
    def answer(token: str) -> AnyResponse:
        answered = pages.answer(token, language(), request.form)
        if answered is not None and answered.done:
            return redirect(f"/g/{token}", 303)
        return _page(answered, f"/g/{token}")

    @doors.get("/g/<token>/no-more")
    def ask_no_more(token: str) -> Response:
        return _page(pages.no_more(token, language()), f"/g/{token}/no-more")

    @doors.post("/g/<token>/no-more")
    def no_more(token: str) -> Response:
        again = request.form.get("do") == "again"
        return _page(pages.wish(token, language(), again=again), f"/g/{token}/no-more")

    return doors


def _page(page: Page | None, action: str) -> Response:
    if page is None:
        return _not_found()
    base = action.removesuffix("/no-more")
    answer = Response(render_template("gift.html", page=page, style=STYLE, base=base, action=action))
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    answer.headers["Cache-Control"] = "no-store"
    return _quiet(answer)


def _media(media: Media | None) -> Response:
    if media is None:
        return _not_found()
    answer = Response(media.body, mimetype=media.mime)
    answer.headers["Content-Disposition"] = "inline"
    answer.cache_control.private = True
    answer.cache_control.max_age = KEPT_SECONDS
    answer.add_etag()
    answer.make_conditional(request, accept_ranges=True, complete_length=len(media.body))
    return _quiet(answer)


def _not_found() -> Response:
    answer = plain("Not found", 404)
    answer.headers["Cache-Control"] = "no-store"
    return _quiet(answer)


def _quiet(answer: Response) -> Response:
    """What every answer says to whoever might pass the address on or look for more than there is."""
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
