"""Own the doors where decisions are enforced: Envoy, forward auth, and the application's own process.

Publishes nothing here: each door is a package of its own (`envoy`, `asgi`), so that one installs without the others.
Refuses to import anything, because importing `watchword.enforcement.asgi` in a foreign application runs this file.
"""
