"""Attend: a study desk for how language models work. This file is the router; every screen is a file in screens/."""

import os

# before anything loads NumPy: on a machine with other work to do, more threads than one wait for each other most of the time
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import streamlit as st

if __name__ == "__main__":  # for every visitor, at every run
    from screens.parts import desk

    st.set_page_config(page_title="Attend", page_icon="static/attend.png", layout="wide", initial_sidebar_state="auto")

    SCREENS = [
        st.Page("screens/today.py", title="Today", icon=":material/today:", default=True),
        st.Page("screens/read.py", title="Read", icon=":material/menu_book:", url_path="read"),
        st.Page("screens/review.py", title="Review", icon=":material/style:", url_path="review"),
        st.Page("screens/quiz.py", title="Quiz", icon=":material/quiz:", url_path="quiz"),
        st.Page("screens/lab_bench.py", title="Labs", icon=":material/science:", url_path="labs"),
        st.Page("screens/ask.py", title="Ask", icon=":material/search:", url_path="ask"),
        st.Page("screens/progress.py", title="Progress", icon=":material/monitoring:", url_path="progress"),
        st.Page("screens/library.py", title="Library", icon=":material/collections_bookmark:", url_path="library"),
        st.Page("screens/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
    ]

    screen = st.navigation(SCREENS)
    desk.lay_out()
    screen.run()
else:  # once, for the server: the same script, and the one address that answers without running it
    from screens.parts.live_route import ROUTES

    app = st.App("app.py", routes=ROUTES)
