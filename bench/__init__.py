"""`make bench`: what the operator costs, on real servers, beside what the bare API server can do in the same run.

`__main__` is the command line, `run` the order of the measures, one module per measure: `idle`, `bare`, `cold`,
`refresh`, `latency`, `scrape`, `restart`. `stage` holds what they share: servers, objects, the operator's process.
Never shipped, and no test: counts are checked exactly, everything that depends on the machine is only printed.
"""
