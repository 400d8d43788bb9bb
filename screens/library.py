"""Library."""

from screens.parts.coming import coming

coming("Library", "Here your own notes and cards come in, and everything goes out.", ["a table of all cards with a search language", "import from Markdown, Obsidian and Anki", "export of everything, and backups"])
