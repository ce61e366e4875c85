//! One call out of many monitored devices: registry, legs, normalized events, commands
