"""What all of the traffic amounts to: measurements of ended streams, aggregated, bounded, for any reader. No I/O."""
