"""The verdict: rule books, what is measured for them, what is declared, and how a run is judged clause by clause."""
