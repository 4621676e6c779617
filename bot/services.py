"""The frozen bundle handed around: what one process has in its hands. Built in `bot.app`, nowhere else."""

from dataclasses import dataclass

import redis

from bot.catalogue import Catalogue
from bot.config import Settings
from bot.sealing import Seal
from bot.showing import Setting
from storage.conversations import Conversations
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a turn, a door or the worker may need. `called` is what goes on in a call of ours to somebody."""

    settings: Settings
    database: Database
    redis: redis.Redis
    conversations: Conversations
    seal: Seal
    catalogue: Catalogue
    talk: Setting
    called: Setting
