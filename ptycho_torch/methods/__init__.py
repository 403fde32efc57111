"""From a scan to an object by the method that suits it: network, iterations, or both."""
