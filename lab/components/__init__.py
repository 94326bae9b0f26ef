"""Components that every stack installs into a cluster, one file each."""
