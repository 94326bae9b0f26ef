"""`lab watch`: the frontend's page in a terminal, drawn from the answers that the frontend streams."""
