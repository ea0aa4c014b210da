"""Everything Invariscope computes; nothing here knows how it is shown."""

import os
from importlib.metadata import PackageNotFoundError, version

# Before PyTorch is imported, and so here: a worker that waits for the others then sleeps and does not spin. Beside two
# busy processes spinning made 20 photos wait 26.9 s instead of 1.8 s; on idle cores it gains nothing that can be seen.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")  # the same to Intel's OpenMP
# NumPy's matrices are small here, and its own threads know no such policy: beside one busy process products of 300
# images by 256 dimensions took 0.62 s by two threads and 0.28 s by one, on idle cores 0.21 and 0.32 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What Apple's GPU has no operation for is computed by the CPU, instead of ending the work.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

try:
    __version__ = version("invariscope")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0+source"
