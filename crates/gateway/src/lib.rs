//! The ringway daemon: configuration, wiring, supervision
