"""Where a person stands, read back: whether this release still knows the place, and whether it is worth coming back to."""

import structlog
from cryptography.exceptions import InvalidTag

from bot.conversation import Conversation, Frame
from bot.services import Services
from storage.conversations import Place

log = structlog.get_logger()


def opened(services: Services, place: Place) -> Conversation:
    """The conversation at this place; a new one when it was sealed under another key, or tells of steps that this
    release does not have: where the person stood is lost then, and nothing else."""
    try:
        conversation = Conversation.from_bytes(services.seal.open(place.body) if place.body else b"")
    except InvalidTag:
        log.warning("turn.place_unreadable")
        return Conversation()
    flows = services.talk.flows
    for frame in conversation.frames:
        if frame.flow not in flows or not {frame.step, *frame.trail} <= flows[frame.flow].step.keys():
            log.warning("turn.place_unknown", flow=frame.flow, step=frame.step)
            return Conversation()
    return conversation


def unfinished(services: Services, conversation: Conversation) -> Frame | None:
    """What the person is in the middle of, when its flow says that it is worth saving by now; else None.

    While somebody's question to them is open, a 1 or a 2 answers that, so that nothing else may ask for one.
    """
    flows = services.talk.flows
    if not conversation.frames or any(frame.flow in flows.calling for frame in conversation.frames):
        return None
    frame = conversation.frames[0]
    flow = flows[frame.flow]
    return frame if flow.unfinished and flow.worth_saving in frame.answers else None
