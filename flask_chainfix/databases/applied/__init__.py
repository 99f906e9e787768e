"""What databases have run, and how their version rows follow a changed chain."""
