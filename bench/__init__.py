"""How fast the service is against two floors, all in one run, as ratios: `python -m bench`.

The service runs as it is served, over an embedded PostgreSQL with its default durability. The first floor sends the
same statements by hand, without an ORM (`floor_app`); the second is pgbench on the same server.
"""
