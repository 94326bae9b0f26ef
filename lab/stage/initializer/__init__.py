"""The page of `lab initialize`: choices, their preview, and the folder to write or download.

`previews.py` answers, `file_view.py` shows one file and what changed in it, `routes.py` are the endpoints, `run.py`
serves the page without a lab. A stage has the same routes. The page itself is `../static/initialize.html`.
"""
