"""The conversations, one per file, in menu order; the first is home."""

from bot.dialog import Registry
from flows.basket import Basket
from flows.buy import Buy
from flows.claim import Claim
from flows.gift import Gift
from flows.help import Help
from flows.join import Join
from flows.language import Language
from flows.menu import Menu
from flows.pin import Pin
from flows.redeem import Redeem
from flows.store import Store

FLOWS = Registry(
    {
        "menu": Menu,
        "buy": Buy,
        "gift": Gift,
        "basket": Basket,
        "redeem": Redeem,
        "claim": Claim,
        "store": Store,
        "help": Help,
        "language": Language,
        "join": Join,
        "pin": Pin,
    },
    calling=["claim"],
)
