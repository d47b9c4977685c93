"""What the benchmarks share and is no benchmark itself."""
