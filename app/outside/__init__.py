"""HTTP to other systems. Only this package imports httpx."""
