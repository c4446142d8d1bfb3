"""The web service that captions photos, and its page."""
