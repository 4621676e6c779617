"""More: what is wanted now and then, one number away from the menu.

> MORE... (7 in the menu) < What else? 1. Look up certificates 2. Give together 3. Gifts I sent 4. Take a gift back ...
> 1                       < Look up certificates. 1. By kind 2. By price
"""

from bot.dialog import Choose, Flow, Go, move

PLACES = {
    "offers": "Look up certificates",
    "group": "Give together",
    "sent": "Gifts I sent",
    "recall": "Take a gift back",
    "money_back": "Money back",
    "privacy": "Who sees my name",
    "help": "How it works",
}


class More(Flow):
    title = "More"
    steps = [
        Choose("more", "What else?", options=PLACES, drop="leave"),
        *[Go(place, flow=place) for place in PLACES],
    ]
    moves = [
        move("open", "start", "more"),
        *[move(place, "more", place) for place in PLACES],
    ]
