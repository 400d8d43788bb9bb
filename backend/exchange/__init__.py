"""One file for each outside format: it reads a path and yields plain records, or writes records to a path. `backend.library` does the rest."""
