"""What people see: thin scripts over `core`, run by `router.py`."""
