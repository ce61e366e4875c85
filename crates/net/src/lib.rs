//! Sockets, TLS, WebSocket, the clock, and the drivers of the cores
