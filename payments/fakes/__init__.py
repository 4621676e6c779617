"""Hostile fakes of the providers: small HTTP servers with the providers' own shapes, for tests and for bin/dev."""
