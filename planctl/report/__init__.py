"""Reports: results of operations in the formats that CI services read."""
