//! The far end: accepts gateways, stores events, serves applications
