"""The conversation engine, the channels, the worker, and the one place where parts are joined (`bot.app`)."""
