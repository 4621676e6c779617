"""A phone in the terminal: `bin/giftline chat`. It speaks to the running product by the same doors as the browser phones."""

import threading
import time

import requests

from bot.config import Settings
from phones.handset import Handset, Network, NetworkFault, Screen

POLL_SECONDS = 0.5
GUIDE = "Enter alone dials {code}; what you type answers the screen; `sms WORDS` sends a text; `bye` hangs up. Ctrl-D leaves."


def run(settings: Settings, msisdn: str, *, by_sms: bool) -> None:
    """Read lines until the input ends. With `by_sms` every line is a text."""
    network = Network(settings)
    handset = network.handset(msisdn)
    print(
        f"This is the phone {msisdn}. "
        + ("Every line is a text." if by_sms else GUIDE.format(code=settings.service_code))
    )
    stop = threading.Event()
    listener = threading.Thread(target=_listen, args=(network.base, msisdn, stop), daemon=True)
    listener.start()
    try:
        while True:
            _act(handset, input("> ").strip(), by_sms=by_sms)
    except (EOFError, KeyboardInterrupt):
        print()
    finally:
        handset.hang_up()
        stop.set()
        listener.join(timeout=2 * POLL_SECONDS)


def _act(handset: Handset, line: str, *, by_sms: bool) -> None:
    try:
        if by_sms or line.startswith("sms "):
            handset.text(line.removeprefix("sms "))
            time.sleep(2 * POLL_SECONDS)  # the answer comes as a text of its own; let it come before the next prompt
        elif line == "bye":
            handset.hang_up()
        elif handset.dialog is None:
            _show(handset.dial())
        else:
            _show(handset.answer(line))
    except NetworkFault as fault:
        print(f"No connection: {fault}. Is bin/dev running?")


def _show(screen: Screen) -> None:
    print(screen.text if screen.more else f"{screen.text}\n(the dialog is over)")


def _listen(base: str, msisdn: str, stop: threading.Event) -> None:
    """Print texts as they arrive, beginning with the next one."""
    last = _newest(base, msisdn, "0", show=False)
    while not stop.wait(POLL_SECONDS):
        last = _newest(base, msisdn, last, show=True)


def _files(base: str, media: list[list[str]]) -> list[str]:
    return [f"  {mime}: {base}/phones/media/{name}" for name, mime in media]


def _newest(base: str, msisdn: str, last: str, *, show: bool) -> str:
    try:
        answer = requests.post(f"{base}/phones/api/texts", json={"after": {msisdn: last}}, timeout=5).json()
    except requests.RequestException:
        return last  # the next line typed says that there is no connection
    for text in answer["texts"]:
        last = text["id"]
        if show:
            kind = "MMS" if text["media"] else "SMS"
            print("\n".join([f"\n[{kind} from {text['sender']}] {text['body']}", *_files(base, text["media"])]))
    return last
