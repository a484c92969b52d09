"""The plant: what physically exists and happens. Imports nothing of ours from outside this folder."""
