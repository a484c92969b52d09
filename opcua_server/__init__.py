"""The plant over OPC UA: address space, sessions, subscriptions, security, and the client side."""
