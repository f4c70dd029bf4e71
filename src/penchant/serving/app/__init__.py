"""The HTTP interface: the live engine behind an ASGI application.

`door` lets requests in, `routes` says what there is, `handle_*` and `operate` answer.
"""
