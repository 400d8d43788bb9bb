"""Progress."""

from screens.parts.coming import coming

coming("Progress", "It shows what you remember, measured.", ["a calendar and a forecast", "true retention against the wanted one", "mastery on the map of topics"])
