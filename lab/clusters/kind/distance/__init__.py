"""The distance between two nodes: each node delays, loses and limits its packets to the other, by half of it.

Both means work at the same place, where packets leave the node on its uplink: they see the node's own packets and those
of its pods, after address translation and after `lab cut`. Open connections stay open when a distance is set, changed
or cleared. Nothing survives a restart of the node's container.
"""
