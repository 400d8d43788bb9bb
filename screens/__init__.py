"""What a person sees: with app.py the only code that imports streamlit."""
