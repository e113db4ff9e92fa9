"""The engine: blocks of paths, the step loop, outcome columns, executors and resume."""
