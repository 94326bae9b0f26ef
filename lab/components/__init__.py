"""What the lab installs into a cluster, one file each."""
