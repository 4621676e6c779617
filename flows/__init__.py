"""The conversations, one per file, in menu order; the first is home."""

from bot.dialog import Registry
from flows.asked import Asked
from flows.basket import Basket
from flows.begin_group import BeginGroup
from flows.buy import Buy
from flows.called import Called
from flows.claim import Claim
from flows.gift import Gift
from flows.group import Group
from flows.help import Help
from flows.join import Join
from flows.language import Language
from flows.menu import Menu
from flows.money_back import MoneyBack
from flows.more import More
from flows.network_code import NetworkCode
from flows.offers import Offers
from flows.pin import Pin
from flows.privacy import Privacy
from flows.recall import Recall
from flows.redeem import Redeem
from flows.redirect import Redirect
from flows.sent import Sent
from flows.store import Store
from flows.unreached import Unreached

FLOWS = Registry(
    {
        "menu": Menu,
        "buy": Buy,
        "gift": Gift,
        "basket": Basket,
        "redeem": Redeem,
        "claim": Claim,
        "asked": Asked,
        "store": Store,
        "sent": Sent,
        "recall": Recall,
        "redirect": Redirect,
        "unreached": Unreached,
        "money_back": MoneyBack,
        "privacy": Privacy,
        "more": More,
        "offers": Offers,
        "group": Group,
        "begin_group": BeginGroup,
        "help": Help,
        "language": Language,
        "join": Join,
        "pin": Pin,
        "network_code": NetworkCode,
    },
    calling=["network_code", "asked", "claim", "unreached"],
)

CALLED = Registry({"called": Called, "pin": Pin})
"""All that goes on when we call a phone: whoever answers it can do nothing else there."""

EVERY = Registry(dict((*FLOWS.items(), *CALLED.items())))
"""Both, for whoever draws or translates them."""
