"""Settings."""

from screens.parts.coming import coming

coming("Settings", "Everything you can change, one sentence each.", ["study days and limits", "retention", "backups"])
