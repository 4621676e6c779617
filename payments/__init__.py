"""How buyers pay. `gateway` is the protocol, then one rail per file."""
