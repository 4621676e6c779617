"""Who carries what where: for each form of a message and each range of numbers, a provider and who stands in for it.

Routes are data, written in one setting: entries `<forms> <prefix> <provider> [<fallback> ...]` joined by `;`, as in
`sms,mms,voice +1 twilio; sms +254 africastalking kannel; sms + kannel; email * smtp`. The longest prefix that fits wins.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from circulation.email_address import Email
from circulation.msisdn import Msisdn

Form = Literal["sms", "mms", "voice", "email"]
FORMS: tuple[str, ...] = get_args(Form)

CARRIES: Mapping[str, frozenset[str]] = {
    "twilio": frozenset({"sms", "mms", "voice"}),
    "africastalking": frozenset({"sms"}),
    "kannel": frozenset({"sms"}),
    "smpp": frozenset({"sms"}),
    "smtp": frozenset({"email"}),
}
"""Every provider there is, and what it can carry."""

_PREFIX = re.compile(r"\+[0-9]{0,14}|\*")


class BadRoutes(ValueError):
    """The routes cannot be used; the message quotes the entry and says why."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry: `form` to addresses that begin with `prefix` (empty: e-mail) goes by the first of `providers`."""

    form: str
    prefix: str
    providers: tuple[str, ...]


class Routes:
    """All routes of a deployment. Nothing is carried that no route names."""

    def __init__(self, routes: Sequence[Route], *, also: Collection[tuple[str, str]] = ()) -> None:
        """`also`: (form, provider) of those who carry only to people who wrote by them."""
        self._routes = sorted(routes, key=lambda route: -len(route.prefix))
        self._carriers = {(route.form, provider) for route in routes for provider in route.providers} | set(also)

    @classmethod
    def parse(cls, text: str, *, texts_by: str) -> Self:
        """The routes of a setting; for an empty one all texts go by `texts_by`. Raises BadRoutes."""
        if not text.strip():
            return cls([Route("sms", "+", (texts_by,))], also={("sms", "twilio"), ("sms", "africastalking")})
        return cls([route for entry in text.split(";") if entry.strip() for route in _read(entry)])

    def carries(self, form: str, to: Msisdn | Email) -> bool:
        """Whether anybody carries this form to this address."""
        return bool(self._providers(form, to))

    def first(self, form: str, to: Msisdn | Email, liked: str | None = None) -> str:
        """Who carries this form there: the one this person last wrote by (`liked`) where it can, else the route's first.

        Raises LookupError when nobody does.
        """
        if liked and (form, liked) in self._carriers:
            return liked
        providers = self._providers(form, to)
        if not providers:
            raise LookupError(f"no route carries {form} there")
        return providers[0]

    def after(self, form: str, to: Msisdn | Email, failed: Sequence[str]) -> str | None:
        """Who stands in when these providers could not; None when there is nobody else."""
        return next((name for name in self._providers(form, to) if name not in failed), None)

    def providers(self) -> set[str]:
        """Every provider that carries anything."""
        return {provider for _, provider in self._carriers}

    def _providers(self, form: str, to: Msisdn | Email) -> tuple[str, ...]:
        address = to.e164 if isinstance(to, Msisdn) else ""
        for route in self._routes:
            if route.form == form and address.startswith(route.prefix):
                return route.providers
        return ()


def _read(entry: str) -> list[Route]:
    words = entry.split()
    if len(words) < 3:
        raise BadRoutes(f"ROUTES: `{entry.strip()}` needs forms, a prefix and a provider.")
    forms, prefix, *providers = words
    if not _PREFIX.fullmatch(prefix):
        raise BadRoutes(f"ROUTES: `{prefix}` is neither a prefix like +254 nor *.")
    routes = []
    for form in forms.split(","):
        if form not in FORMS:
            raise BadRoutes(f"ROUTES: `{form}` is none of {', '.join(FORMS)}.")
        if (form == "email") != (prefix == "*"):
            raise BadRoutes(f"ROUTES: `{entry.strip()}`: e-mail, and only e-mail, goes to `*`.")
        for provider in providers:
            if form not in CARRIES.get(provider, ()):
                raise BadRoutes(f"ROUTES: `{provider}` does not carry {form}.")
        routes.append(Route(form, "" if prefix == "*" else prefix, tuple(providers)))
    return routes
