//! JSON Schemas of events and frames.
