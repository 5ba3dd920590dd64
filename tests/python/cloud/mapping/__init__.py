"""Event source mappings as Lambda runs them, for an emulator whose own poller drops what fails.

`batches` decides what goes into one call, `delivery` what happens with a batch that failed,
`filters` which records a function sees at all: pure, no clock, no threads, each with tests beside
it. `sources` reads Kinesis and DynamoDB streams; `poller` puts them together, a thread per shard.

Not here: starting positions by time, tumbling windows, queues as sources, destinations of what was
given up on (it is counted, and a test that gives up on something says so).
"""
