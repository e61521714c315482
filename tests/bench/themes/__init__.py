"""The themes, each a file with run(setting), which gives its Section, in the order of the report."""
NAMES = ["echo", "datagrams", "connections", "sleeps", "streams", "files", "random_reads", "relay", "churn", "broadcast", "neighbour", "cores", "tasks", "children", "counts", "idle",
         "startup", "size", "compile", "many"]
