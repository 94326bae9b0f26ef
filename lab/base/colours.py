"""The colours of clusters: one list for lab.toml's defaults, the page, the stage, the terminal and reports.

They are those of Okabe and Ito ("Color Universal Design", 2008, jfly.uni-koeln.de/color), which colour-blind people can
distinguish. apps/frontend is a program of its own: tests compare its list, and that of report.css, with this one.
"""

CLUSTERS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
"""East's, West's, then those of further clusters, in the order of lab.toml."""
