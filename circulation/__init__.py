"""What may happen to value: verbs in, refusals out. Knows no conversation, no web, no provider of messages."""
