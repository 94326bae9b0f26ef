"""Write the YAML of a whole lab into a folder: `files` computes it, `readme` explains it, `folder` writes it."""
