"""Orders of events in a training; `standard` is the written-out loop."""
