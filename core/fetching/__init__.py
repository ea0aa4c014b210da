"""Published files, fetched: from an address that gives them, continued after a break, checked before they are named."""
