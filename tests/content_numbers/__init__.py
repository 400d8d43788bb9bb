"""The numbers that stand in the notes, computed again: one file a track.

NUMBERS: card id -> a function that computes the key of that number card from first principles.
EXAMPLES: topic -> a function that computes the figures of the note's worked example; each string must stand in the note.
"""
