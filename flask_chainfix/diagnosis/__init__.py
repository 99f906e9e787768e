"""The rules that find faults in a chain, and the diagnosis that they make."""
