"""Plain functions and tables: no streamlit, no torch."""
