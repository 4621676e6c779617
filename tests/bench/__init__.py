"""What the product costs, as ratios to the least that could do the same on the same machine: `bin/bench`."""
