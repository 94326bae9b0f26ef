"""The walkthrough pages in docs: written from the steps of the scenarios, with the output of real runs."""
