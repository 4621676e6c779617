"""What must be remembered: PostgreSQL for everything of value, Redis for where a conversation stands."""
