module eastwest.lab/recipes/pause

go 1.26.0
