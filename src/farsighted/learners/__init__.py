"""What is trained: one protocol, several worlds."""

import logging

# On import it asks for a faster kernel from the network, whether 4-bit weights are used or not.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
