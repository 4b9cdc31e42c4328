"""The engine for many at once: an HTTP API under ``/api/v1``, tokens, limits, jobs, and a log that shows tampering.

``desk.Desk`` does the work and knows nothing of HTTP; ``application.create_app`` puts it on the network.
"""
