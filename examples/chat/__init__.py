"""A chat: rooms, acknowledgements, who is online, who is typing, stored messages, REST beside it, and a web page.

Read it in this order: `gateway.py` (what clients say), `messages.py` and `announcements.py` (services), `rest.py` (HTTP
routes that share them), `app.py` (all of it joined on one port), `page/` (what people see).
"""
