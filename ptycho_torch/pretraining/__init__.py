"""Training a network once, over many simulated objects, probes and doses."""
