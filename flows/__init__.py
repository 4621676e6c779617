"""The conversations, one per file, in menu order; the first is home."""

from bot.dialog import Registry
from flows.basket import Basket
from flows.begin_group import BeginGroup
from flows.buy import Buy
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
        "recall": Recall,
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
    calling=["network_code", "claim"],
)
