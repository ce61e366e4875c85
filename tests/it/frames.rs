//! Captured and broken frames on the PBX link.
