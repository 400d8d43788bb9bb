"""Today."""

from screens.parts.coming import coming

coming("Today", "What is due now, and one way to begin.", ["what is due now", "new cards left", "one big Start"])
