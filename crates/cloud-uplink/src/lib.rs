//! The channel between gateway and far end: frames, normalized events, session rules of both ends
